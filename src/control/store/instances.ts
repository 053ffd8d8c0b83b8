/** Which pods stand behind which service, and which workload each belongs to; looked up once and kept. */
import { selects } from '#model/metadata.ts';
import type { Pod } from '#model/pod.ts';
import type { Service } from '#model/service.ts';
import { selectorOf, type Workload } from '#model/workload.ts';

export class Instances {
  readonly #pods: ReadonlyMap<string | undefined, readonly Pod[]>;
  readonly #workloads: ReadonlyMap<string | undefined, readonly Workload[]>;
  readonly #byService = new Map<Service, readonly Pod[]>();
  readonly #owners = new Map<Pod, Workload | undefined>();

  constructor(pods: readonly Pod[], workloads: readonly Workload[]) {
    this.#pods = Map.groupBy(pods, ({ metadata }) => metadata.namespace);
    this.#workloads = Map.groupBy(workloads, ({ metadata }) => metadata.namespace);
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
  ownerOf(pod: Pod): Workload | undefined {
    if (this.#owners.has(pod)) return this.#owners.get(pod);
    const { name, namespace, labels } = pod.metadata;
    const inReach = this.#workloads.get(namespace) ?? [];
    const fitting = inReach.filter((workload) => selects(selectorOf(workload), labels));
    const owner = fitting.find(({ metadata }) => name.startsWith(`${metadata.name}-`)) ?? fitting[0];
    this.#owners.set(pod, owner);
    return owner;
  }
}
