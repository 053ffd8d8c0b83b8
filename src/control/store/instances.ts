/** Which instances stand behind which service, and which workload each belongs to; looked up once and kept. */
import { type EndpointSlice, serviceOfSlice } from '#model/endpoint-slice.ts';
import { selects } from '#model/metadata.ts';
import type { Node } from '#model/node.ts';
import type { Pod } from '#model/pod.ts';
import { selectorOf, type Workload } from '#model/workload.ts';
import type { WorkloadEntry } from '#model/workload-entry.ts';
import { type Instance, instanceOfEntry, instanceOfPod, instanceOfSlice } from './instance.ts';
import type { MeshService } from './mesh-service.ts';

export interface InstanceSources {
  readonly pods: readonly Pod[];
  readonly entries: readonly WorkloadEntry[];
  readonly slices: readonly EndpointSlice[];
}

const placeOf = (namespace: string | undefined, name: string): string => `${namespace ?? ''}/${name}`;

export class Instances {
  readonly #byNamespace: ReadonlyMap<string, readonly Instance[]>;
  readonly #workloads: ReadonlyMap<string | undefined, readonly Workload[]>;
  readonly #instances = new Map<Pod | WorkloadEntry, Instance>();
  readonly #byService = new Map<MeshService, readonly Instance[]>();
  readonly #owners = new Map<Pod, Workload | undefined>();

  readonly #nodes: ReadonlyMap<string, Node>;

  readonly #slices: ReadonlyMap<string, readonly EndpointSlice[]>;
  /** By their addresses. */
  readonly #pods: ReadonlyMap<string, Pod>;

  /** Pods come before entries. */
  constructor(
    { pods, entries, slices }: InstanceSources,
    workloads: readonly Workload[],
    nodes: readonly Node[],
  ) {
    this.#slices = Map.groupBy(slices, (slice) => placeOf(slice.metadata.namespace, serviceOfSlice(slice)));
    // Only slices ask.
    this.#pods = new Map(slices.length === 0 ? [] : pods.map((pod) => [pod.status.podIP ?? '', pod]));
    this.#nodes = new Map(nodes.map((node) => [node.metadata.name, node]));
    this.#workloads = Map.groupBy(workloads, ({ metadata }) => metadata.namespace);
    const all = [...pods, ...entries].map((one) => this.of(one));
    this.#byNamespace = Map.groupBy(all, ({ namespace }) => namespace);
  }

  of(one: Pod | WorkloadEntry): Instance {
    const known = this.#instances.get(one);
    if (known !== undefined) return known;
    const made = one.kind === 'Pod' ? this.#ofPod(one) : instanceOfEntry(one);
    this.#instances.set(one, made);
    return made;
  }

  #ofPod(pod: Pod): Instance {
    return instanceOfPod(pod, this.ownerOf(pod), this.#nodes.get(pod.spec.nodeName ?? ''));
  }

  /** Behind a service without selector is what slices say. */
  behind(service: MeshService): readonly Instance[] {
    const known = this.#byService.get(service);
    if (known !== undefined) return known;
    const { selector } = service.spec;
    const inReach = this.#byNamespace.get(service.metadata.namespace ?? '') ?? [];
    const found =
      Object.keys(selector).length > 0
        ? inReach.filter(({ labels }) => selects(selector, labels))
        : this.#sliced(service);
    this.#byService.set(service, found);
    return found;
  }

  #sliced({ metadata, entry }: MeshService): readonly Instance[] {
    if (entry !== undefined) return [];
    const slices = this.#slices.get(placeOf(metadata.namespace, metadata.name)) ?? [];
    return slices
      .filter(({ addressType }) => addressType !== 'FQDN')
      .flatMap((slice) =>
        slice.endpoints.flatMap((endpoint) =>
          endpoint.addresses.map((address) => {
            const pod = this.#pods.get(address);
            const node = this.#nodes.get(endpoint.nodeName ?? '');
            return instanceOfSlice(slice, endpoint, address, { pod: pod && this.of(pod), node });
          }),
        ),
      );
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
