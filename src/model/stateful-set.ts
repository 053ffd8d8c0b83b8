/** Kubernetes `StatefulSet` (apps/v1): instances that keep their names, started and ended in their order. */
import { checkPodMounts, podTemplateOf } from './container.ts';
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required, unsupportedIf } from './decode/object.ts';
import { dnsName, integer, oneOf } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';
import { type ClaimTemplate, claimTemplate } from './persistent-volume-claim.ts';
import { checkSelector, type Replicated, replicatedFields } from './replicated.ts';
import type { Volume } from './volume.ts';

export interface StatefulSetSpec extends Replicated {
  /** The headless Service that its instances are named after. */
  readonly serviceName?: string;
  /** `OrderedReady`: the next starts when those before it are ready, and the last ends first; `Parallel`: all at once. */
  readonly podManagementPolicy: 'OrderedReady' | 'Parallel';
  /** Number of the first instance. */
  readonly ordinals: { readonly start: number };
  /** Of each of them every instance has a claim of its own; they are among the volumes of the template. */
  readonly volumeClaimTemplates: readonly ClaimTemplate[];
  readonly persistentVolumeClaimRetentionPolicy: ClaimRetention;
}

/** What becomes of the claims of instances that there are not to be any more. */
export interface ClaimRetention {
  /** Of all of them, with the set. */
  readonly whenDeleted: 'Retain' | 'Delete';
  /** Of those that are too many. */
  readonly whenScaled: 'Retain' | 'Delete';
}

export type StatefulSet = ResourceBase<'StatefulSet', StatefulSetSpec>;

const MAX_ORDINAL = 2 ** 31 - 1;

/** A changed set replaces its processes; who wants that at another time, or for some of them alone, is told. */
const updateStrategy = object({
  type: unsupportedIf('adds', (value) => value === 'OnDelete', '`RollingUpdate` is what there is.'),
  rollingUpdate: optional(
    object({
      partition: unsupportedIf('adds', (value) => value !== 0 && value !== null, 'All are replaced.'),
      maxUnavailable: meaningless('They are replaced one by one.'),
    }),
    'Of the type of that name.',
  ),
});

const retention = oneOf(['Retain', 'Delete']);
const retainAll: ClaimRetention = { whenDeleted: 'Retain', whenScaled: 'Retain' };

const fields: Decoder<StatefulSetSpec> = object(
  {
    ...replicatedFields,
    template: required(
      podTemplateOf(['Always'], () => {}),
      'What each instance is.',
    ),
    serviceName: optional(
      dnsName('no dots'),
      'The headless Service under which each instance has a name: `db-0.db.shop.svc.cluster.local`.',
    ),
    podManagementPolicy: defaulted(
      oneOf(['OrderedReady', 'Parallel']),
      'OrderedReady',
      'The next starts when those before it are ready, and the last ends first; or all at once.',
    ),
    ordinals: defaulted(
      object({ start: defaulted(integer(0, MAX_ORDINAL), 0, 'Of the first one.') }),
      { start: 0 },
      'Numbers of instances.',
    ),
    volumeClaimTemplates: defaulted(
      list(claimTemplate),
      [],
      'Claims of which each instance has its own, `NAME-POD`; they are among the volumes of the template.',
    ),
    persistentVolumeClaimRetentionPolicy: defaulted(
      object({
        whenDeleted: defaulted(retention, 'Retain', 'Of all, when the set is gone.'),
        whenScaled: defaulted(retention, 'Retain', 'Of instances that are too many.'),
      }),
      retainAll,
      'What becomes of the files of claims.',
    ),
    updateStrategy: optional(updateStrategy, 'How instances are replaced when the template changes.'),
    minReadySeconds: meaningless('An instance counts once it is ready.'),
    revisionHistoryLimit: meaningless('There is no history but that of the files.'),
  },
  checkSelector,
);

const spec: Decoder<StatefulSetSpec> = refined(fields, (decoded, path, report) => {
  const { template, volumeClaimTemplates: claims } = decoded;
  if (!checkNames(claims, path, report)) return undefined;
  const volumes = withClaims(template.spec.volumes, claims);
  const podSpec = { ...template.spec, volumes };
  checkPodMounts(podSpec, [...path, 'template', 'spec'], report);
  return { ...decoded, template: { ...template, spec: podSpec } };
});

function checkNames(claims: readonly ClaimTemplate[], path: Path, report: Report): boolean {
  const names = claims.map(({ name }) => name);
  for (const [index, name] of names.entries()) {
    if (names.indexOf(name) === index) continue;
    const at = [...path, 'volumeClaimTemplates', index, 'metadata', 'name'];
    report.error(at, `there is another template called ${name}`);
  }
  return new Set(names).size === names.length;
}

/** A claim takes the place of a volume of its name (Kubernetes, `updateStorage` of the StatefulSet controller). */
function withClaims(volumes: readonly Volume[], claims: readonly ClaimTemplate[]): readonly Volume[] {
  const claimed = claims.map(
    ({ name }): Volume => ({ name, claim: { name, of: 'the instance', readOnly: false } }),
  );
  const others = claimed.filter(({ name }) => volumes.every((volume) => volume.name !== name));
  return [...volumes.map((volume) => claimed.find(({ name }) => name === volume.name) ?? volume), ...others];
}

export const statefulSetKind: KindDefinition<StatefulSet> = {
  kind: 'StatefulSet',
  group: 'apps',
  versions: ['v1'],
  scope: 'namespace',
  about:
    'Instances that keep their names and files, started and ended in their order ([workloads.md](../workloads.md)).',
  fields: { spec: required(spec), status: meaningless() },
};
