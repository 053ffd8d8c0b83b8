/** Which PersistentVolumeClaims there are, when the mesh is planned: written ones, and those of StatefulSets' instances. */
import { didYouMean } from '#core/did-you-mean.ts';
import type { Resource } from '#model/kinds.ts';
import type { Volume } from '#model/volume.ts';

interface KnownClaim {
  readonly name: string;
  readonly namespace: string;
  /** `FILE:LINE`. */
  readonly place: string;
}

export class ClaimTable {
  readonly #all: readonly KnownClaim[];

  constructor(resources: readonly Resource[]) {
    this.#all = resources.flatMap(claimsOf);
  }

  /** What to report where there is none; undefined where there is. */
  missing(name: string, namespace: string): [message: string, fix: string] | undefined {
    const here = this.#all.filter((claim) => claim.namespace === namespace);
    if (here.some((claim) => claim.name === name)) return undefined;
    const message = `there is no PersistentVolumeClaim ${namespace}/${name}, and a Pod would wait for it`;
    const near = didYouMean(
      name,
      here.map((claim) => claim.name),
    );
    const elsewhere = this.#all.find((claim) => claim.name === name);
    if (near !== undefined || elsewhere === undefined)
      return [message, near ?? 'add a document of kind PersistentVolumeClaim to the files'];
    return [message, `the one at ${elsewhere.place} is in the namespace ${elsewhere.namespace}`];
  }
}

function claimsOf(resource: Resource): readonly KnownClaim[] {
  const { kind, metadata, origin } = resource;
  const { name, namespace = 'default' } = metadata;
  const place = `${origin.file}:${origin.start.line}`;
  if (kind === 'PersistentVolumeClaim') return [{ name, namespace, place }];
  if (kind !== 'StatefulSet') return [];
  const { ordinals, replicas, volumeClaimTemplates } = resource.spec;
  return volumeClaimTemplates.flatMap((template) =>
    Array.from({ length: replicas }, (_, at) => ({
      name: instanceClaim(template.name, `${name}-${ordinals.start + at}`),
      namespace,
      place,
    })),
  );
}

/** What a claim by a template is called, such as `data-db-0`. */
function instanceClaim(template: string, pod: string): string {
  return `${template}-${pod}`;
}

/** The claim behind a volume of a Pod; undefined where it has none. */
export function claimNameOf({ claim }: Volume, pod: string): string | undefined {
  if (claim === undefined) return undefined;
  return claim.of === 'everybody' ? claim.name : instanceClaim(claim.name, pod);
}
