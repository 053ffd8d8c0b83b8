/** Which instances stand behind which service, and which workload each belongs to; looked up once and kept. */
import { isSameList } from '#core/same-list.ts';
import { type EndpointSlice, type SliceEndpoint, serviceOfSlice } from '#model/endpoint-slice.ts';
import { type Labels, selects } from '#model/metadata.ts';
import type { Node } from '#model/node.ts';
import type { Pod } from '#model/pod.ts';
import { selectorOf, type Workload } from '#model/workload.ts';
import type { WorkloadEntry } from '#model/workload-entry.ts';
import {
  type Instance,
  instanceOfEntry,
  instanceOfPod,
  instanceOfSlice,
  type SlicePlace,
} from './instance.ts';
import type { MeshService } from './mesh-service.ts';

type Member = Pod | WorkloadEntry;

export interface InstanceSources {
  readonly pods: readonly Pod[];
  readonly entries: readonly WorkloadEntry[];
  readonly slices: readonly EndpointSlice[];
}

/** One address of an endpoint of a slice. */
interface Sliced extends SlicePlace {
  readonly instance: Instance;
}

/** By endpoint and address: the same instance while all that it is made of is the same. */
const slicedOf = new WeakMap<SliceEndpoint, Map<string, Sliced>>();

function slicedInstance(
  slice: EndpointSlice,
  endpoint: SliceEndpoint,
  address: string,
  place: SlicePlace,
): Instance {
  const made = slicedOf.get(endpoint) ?? new Map<string, Sliced>();
  slicedOf.set(endpoint, made);
  const known = made.get(address);
  if (known !== undefined && known.pod === place.pod && known.node === place.node) return known.instance;
  const instance = instanceOfSlice(slice, endpoint, address, place);
  made.set(address, { ...place, instance });
  return instance;
}

export function selectsNothing({ spec }: MeshService): boolean {
  return Object.keys(spec.selector).length === 0;
}

export class Instances {
  readonly #namespaces: ReadonlyMap<string, NamespaceInstances>;
  /** By `NAMESPACE/SERVICE`. */
  readonly #slices: ReadonlyMap<string, readonly EndpointSlice[]>;
  /** By their addresses. */
  readonly #pods: ReadonlyMap<string, Pod>;
  readonly #nodes: ReadonlyMap<string, Node>;

  /**
   * Pods come before entries.
   *
   * @param before of another state of the mesh: what is as it was is the same object
   */
  constructor(
    { pods, entries, slices }: InstanceSources,
    workloads: readonly Workload[],
    nodes: readonly Node[],
    before?: Instances,
  ) {
    this.#slices = Map.groupBy(slices, (slice) => `${placeOf(slice)}/${serviceOfSlice(slice)}`);
    // Only slices ask.
    this.#pods = new Map(slices.length === 0 ? [] : pods.map((pod) => [pod.status.podIP ?? '', pod]));
    const byName = new Map(nodes.map((node) => [node.metadata.name, node]));
    this.#nodes = byName;
    const nodeOf = (one: Member): Node | undefined =>
      one.kind === 'Pod' ? byName.get(one.spec.nodeName ?? '') : undefined;
    const membersIn = Map.groupBy<string, Member>([...pods, ...entries], placeOf);
    const workloadsIn = Map.groupBy(workloads, placeOf);
    this.#namespaces = new Map(
      [...membersIn].map(([name, members]) => {
        const past = before === undefined ? undefined : before.#namespaces.get(name);
        const owners = workloadsIn.get(name) ?? [];
        const ofNamespace: NamespaceMembers = { members, workloads: owners, nodes: members.map(nodeOf) };
        const isAsBefore = past?.isOf(ofNamespace) === true;
        return [name, isAsBefore ? past : new NamespaceInstances(ofNamespace, past)];
      }),
    );
  }

  /** The same object in two states that have the same in the namespace. */
  in(namespace: string): object | undefined {
    return this.#namespaces.get(namespace);
  }

  of(one: Member): Instance {
    return this.#namespaces.get(placeOf(one))?.of(one) ?? instanceOf(one);
  }

  /** Behind a service without selector is what slices say. */
  behind(service: MeshService): readonly Instance[] {
    if (selectsNothing(service)) return this.#sliced(service);
    return this.#namespaces.get(placeOf(service))?.behind(service) ?? [];
  }

  #sliced(service: MeshService): readonly Instance[] {
    if (service.entry !== undefined) return [];
    const slices = this.#slices.get(`${placeOf(service)}/${service.metadata.name}`) ?? [];
    return slices
      .filter(({ addressType }) => addressType !== 'FQDN')
      .flatMap((slice) =>
        slice.endpoints.flatMap((endpoint) =>
          endpoint.addresses.map((address) => {
            const pod = this.#pods.get(address);
            const node = this.#nodes.get(endpoint.nodeName ?? '');
            return slicedInstance(slice, endpoint, address, { pod: pod && this.of(pod), node });
          }),
        ),
      );
  }

  /** Several may select the same labels; the pod's name begins with its owner's. */
  ownerOf(pod: Pod): Workload | undefined {
    return this.#namespaces.get(placeOf(pod))?.ownerOf(pod);
  }
}

function placeOf({ metadata }: Pick<Member, 'metadata'>): string {
  return metadata.namespace ?? '';
}

function instanceOf(one: Member, owner?: Workload, node?: Node): Instance {
  return one.kind === 'Pod' ? instanceOfPod(one, owner, node) : instanceOfEntry(one);
}

interface NamespaceMembers {
  readonly members: readonly Member[];
  readonly workloads: readonly Workload[];
  /** Of each of the members. */
  readonly nodes: readonly (Node | undefined)[];
}

class NamespaceInstances {
  readonly #of: NamespaceMembers;
  readonly #nodes: ReadonlyMap<Member, Node | undefined>;
  readonly #owners: Owners;
  readonly #instances = new Map<Member, Instance>();
  readonly #ownerOf = new Map<Pod, Workload | undefined>();
  /** By one label, as `NAME=VALUE`. */
  readonly #labelled = new Map<string, Instance[]>();
  readonly #behind = new Map<MeshService, readonly Instance[]>();
  readonly #behindBefore: ReadonlyMap<MeshService, readonly Instance[]>;

  constructor(all: NamespaceMembers, past?: NamespaceInstances) {
    const { members, workloads, nodes } = all;
    this.#of = all;
    this.#nodes = new Map(members.map((one, at) => [one, nodes[at]]));
    this.#behindBefore = past === undefined ? new Map() : past.#behind;
    const hasSameOwners = past !== undefined && isSameList(past.#of.workloads, workloads);
    this.#owners = hasSameOwners ? past.#owners : new Owners(workloads);
    for (const one of members) {
      const known = past === undefined ? undefined : past.#instances.get(one);
      let instance = known;
      if (one.kind === 'Pod') {
        const isKnown = hasSameOwners && known !== undefined;
        const owner = isKnown ? past.#ownerOf.get(one) : this.#owners.of(one);
        this.#ownerOf.set(one, owner);
        const isAsBefore =
          past !== undefined &&
          past.#ownerOf.get(one) === owner &&
          past.#nodes.get(one) === this.#nodes.get(one);
        if (!isAsBefore) instance = undefined;
      }
      instance ??= instanceOf(
        one,
        one.kind === 'Pod' ? this.#ownerOf.get(one) : undefined,
        this.#nodes.get(one),
      );
      this.#instances.set(one, instance);
      for (const label of pairsOf(instance.labels)) push(this.#labelled, label, instance);
    }
  }

  isOf({ members, workloads, nodes }: NamespaceMembers): boolean {
    const own = this.#of;
    return (
      isSameList(own.members, members) && isSameList(own.workloads, workloads) && isSameList(own.nodes, nodes)
    );
  }

  of(one: Member): Instance | undefined {
    return this.#instances.get(one);
  }

  ownerOf(pod: Pod): Workload | undefined {
    return this.#ownerOf.get(pod);
  }

  behind(service: MeshService): readonly Instance[] {
    const known = this.#behind.get(service);
    if (known !== undefined) return known;
    const found = this.#selectedBy(service.spec.selector);
    const before = this.#behindBefore.get(service);
    const kept = before !== undefined && isSameList(before, found) ? before : found;
    this.#behind.set(service, kept);
    return kept;
  }

  #selectedBy(selector: Labels): readonly Instance[] {
    const lists = pairsOf(selector).map((label) => this.#labelled.get(label) ?? []);
    const [shortest = []] = lists.sort((a, b) => a.length - b.length);
    return shortest.filter(({ labels }) => selects(selector, labels));
  }
}

/** Workloads by what they select. */
class Owners {
  /** By the first label of the selector; those without any are everybody's. */
  readonly #bySelector = new Map<string, { readonly workload: Workload; readonly at: number }[]>();

  constructor(workloads: readonly Workload[]) {
    for (const [at, workload] of workloads.entries()) {
      const [first = everybody] = pairsOf(selectorOf(workload));
      push(this.#bySelector, first, { workload, at });
    }
  }

  of({ metadata: { name, labels } }: Pod): Workload | undefined {
    const fitting = [everybody, ...pairsOf(labels)]
      .flatMap((label) => this.#bySelector.get(label) ?? [])
      .filter(({ workload }) => selects(selectorOf(workload), labels))
      .sort((a, b) => a.at - b.at);
    const named = fitting.find(({ workload }) => name.startsWith(`${workload.metadata.name}-`));
    return (named ?? fitting[0])?.workload;
  }
}

const everybody = '';

function pairsOf(labels: Labels): string[] {
  return Object.entries(labels).map(([name, value]) => `${name}=${value}`);
}

function push<Value>(lists: Map<string, Value[]>, key: string, value: Value): void {
  const list = lists.get(key);
  if (list === undefined) lists.set(key, [value]);
  else list.push(value);
}
