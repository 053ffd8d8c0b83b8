/** Which pods stand behind which service, and which Deployment each belongs to; looked up once and kept. */
import type { Deployment } from '#model/deployment.ts';
import { selects } from '#model/metadata.ts';
import type { Pod } from '#model/pod.ts';
import type { Service } from '#model/service.ts';

export class Instances {
  readonly #pods: ReadonlyMap<string | undefined, readonly Pod[]>;
  readonly #deployments: ReadonlyMap<string | undefined, readonly Deployment[]>;
  readonly #byService = new Map<Service, readonly Pod[]>();
  readonly #owners = new Map<Pod, Deployment | undefined>();

  constructor(pods: readonly Pod[], deployments: readonly Deployment[]) {
    this.#pods = Map.groupBy(pods, ({ metadata }) => metadata.namespace);
    this.#deployments = Map.groupBy(deployments, ({ metadata }) => metadata.namespace);
  }

  /** A service without selector has none. */
  podsOf(service: Service): readonly Pod[] {
    const known = this.#byService.get(service);
    if (known !== undefined) return known;
    const { selector } = service.spec;
    const inReach = this.#pods.get(service.metadata.namespace) ?? [];
    const isBehind = Object.keys(selector).length > 0;
    const found = isBehind ? inReach.filter(({ metadata }) => selects(selector, metadata.labels)) : [];
    this.#byService.set(service, found);
    return found;
  }

  /** Several may select the same labels; the pod's name begins with its owner's. */
  ownerOf(pod: Pod): Deployment | undefined {
    if (this.#owners.has(pod)) return this.#owners.get(pod);
    const { name, namespace, labels } = pod.metadata;
    const inReach = this.#deployments.get(namespace) ?? [];
    const fitting = inReach.filter(({ spec }) => selects(spec.selector.matchLabels, labels));
    const owner = fitting.find(({ metadata }) => name.startsWith(`${metadata.name}-`)) ?? fitting[0];
    this.#owners.set(pod, owner);
    return owner;
  }
}
