/**
 * One state of the mesh, indexed by what translation asks for. Never changes: a new state is a new
 * index, so that whatever was made from one can be kept beside it.
 */
import type { ConfigMap, Secret } from '#model/config-map.ts';
import { resolveDelegates } from '#model/delegate.ts';
import type { DestinationRule } from '#model/destination-rule.ts';
import type { EnvoyFilter } from '#model/envoy-filter.ts';
import { everywhere, isExportedTo, saidOr } from '#model/export-to.ts';
import type { Gateway } from '#model/gateway.ts';
import { fullHostName } from '#model/host-name.ts';
import { routesOfIngresses } from '#model/ingress-routes.ts';
import type { Kind, Resource, ResourceByKind } from '#model/kinds.ts';
import { type MeshSettings, meshSettings } from '#model/mesh-settings.ts';
import type { PeerAuthentication } from '#model/peer-authentication.ts';
import type { Pod } from '#model/pod.ts';
import { mostSpecific, type ResiliencePolicy } from '#model/resilience-policy.ts';
import type { ServicePort } from '#model/service.ts';
import type { Sidecar } from '#model/sidecar.ts';
import type { VirtualService } from '#model/virtual-service.ts';
import { isWorkload, type Workload } from '#model/workload.ts';
import type { WorkloadEntry } from '#model/workload-entry.ts';
import type { WorkloadGroup } from '#model/workload-group.ts';
import { Derivations } from './derivation.ts';
import { joinRules } from './destination-rules.ts';
import { discovered } from './discovery.ts';
import { HostPolicies, type PolicyReader } from './host-policies.ts';
import type { Instance } from './instance.ts';
import { Instances, selectsNothing } from './instances.ts';
import { type MeshService, meshServices } from './mesh-service.ts';
import { serviceAddresses } from './service-addresses.ts';

export interface ResourceIndex {
  /**
   * By full host name, such as `reviews.default.svc.cluster.local`; in order of names, those of ServiceEntries behind
   * the others.
   */
  readonly services: ReadonlyMap<string, MeshService>;
  /** In order of namespace and name, as all lists here: who comes first wins. */
  readonly pods: readonly Pod[];
  readonly workloads: readonly Workload[];
  /** The oldest first, and by name where none is older; what a route delegates has taken its place. */
  readonly virtualServices: readonly VirtualService[];
  readonly destinationRules: readonly DestinationRule[];
  readonly resiliencePolicies: readonly ResiliencePolicy[];
  readonly peerAuthentications: readonly PeerAuthentication[];
  readonly gateways: readonly Gateway[];
  readonly sidecars: readonly Sidecar[];
  readonly groups: readonly WorkloadGroup[];
  /** The oldest first. */
  readonly envoyFilters: readonly EnvoyFilter[];
  readonly settings: MeshSettings;
  /** What is worked out of the mesh, or of the part that this index shows, and taken over by the next state. */
  readonly derived: Derivations;
  readonly bases: Bases;
  /** Of a service by its full host name; empty where it has none. */
  addressesOf(host: string): readonly string[];
  pod(namespace: string, name: string): Pod | undefined;
  entry(namespace: string, name: string): WorkloadEntry | undefined;
  group(namespace: string, name: string): WorkloadGroup | undefined;
  secret(namespace: string, name: string): Secret | undefined;
  configMap(namespace: string, name: string): ConfigMap | undefined;
  /** Of all namespaces. */
  secretsNamed(name: string): readonly Secret[];
  instanceOf(of: Pod | WorkloadEntry): Instance;
  /** Everything that a service selects, ready or not. */
  instancesOf(service: MeshService): readonly Instance[];
  /** The workload that a pod belongs to. */
  ownerOf(pod: Pod): Workload | undefined;
  /** Of a service by its full host name, whoever is told of it. */
  portsOf(host: string): readonly ServicePort[];
  /** Full host name of `host` as a resource in `namespace` means it. */
  fullName(host: string, namespace: string): string;
  /** The rule for a host as one caller sees it, joined from several where there are several. */
  destinationRuleFor(full: string, reader: PolicyReader): DestinationRule | undefined;
  /** For one port of it, and one subset (or `undefined`), as one caller sees it. */
  resilienceFor(
    full: string,
    port: number,
    subset: string | undefined,
    reader: PolicyReader,
  ): ResiliencePolicy | undefined;
  /** Equal for callers that see the same DestinationRules and ResiliencePolicies. */
  policyViewOf(reader: PolicyReader): string;
}

/** What questions are answered from, the whole mesh's: the same objects in the next state where it is the same. */
export interface Bases {
  readonly services: ResourceIndex['services'];
  readonly pods: ReadonlyMap<string, Pod>;
  readonly entries: ReadonlyMap<string, WorkloadEntry>;
  readonly groups: ReadonlyMap<string, WorkloadGroup>;
  readonly secrets: ReadonlyMap<string, Secret>;
  readonly configMaps: ReadonlyMap<string, ConfigMap>;
  readonly instances: Instances;
  readonly rules: HostPolicies<DestinationRule>;
  readonly resilience: HostPolicies<ResiliencePolicy>;
}

type Question = {
  [Name in keyof ResourceIndex]: ResourceIndex[Name] extends (...args: never[]) => unknown ? Name : never;
}[keyof ResourceIndex];

/** Instances of one namespace are the same while those of others change. */
export type Base = keyof Bases | `instances in ${string}`;

type Placed = { readonly metadata: { readonly namespace?: string } };

const fromInstances = ({ metadata }: Placed): readonly Base[] => [`instances in ${metadata.namespace ?? ''}`];
const from =
  (...bases: readonly Base[]) =>
  (): readonly Base[] =>
    bases;

/** An answer is the same for as long as these are. */
export const basesOf: {
  readonly [Name in Question]: (...args: Parameters<ResourceIndex[Name]>) => readonly Base[];
} = {
  addressesOf: from('services'),
  pod: from('pods'),
  entry: from('entries'),
  group: from('groups'),
  secret: from('secrets'),
  configMap: from('configMaps'),
  secretsNamed: from('secrets'),
  instanceOf: fromInstances,
  // Slices of a service may be of instances anywhere.
  instancesOf: (service) => (selectsNothing(service) ? ['instances'] : fromInstances(service)),
  ownerOf: fromInstances,
  portsOf: from('services'),
  fullName: from('services'),
  destinationRuleFor: from('rules', 'services'),
  resilienceFor: from('resilience', 'services'),
  policyViewOf: from('rules', 'resilience'),
};

export function baseOf({ bases }: ResourceIndex, name: Base): unknown {
  if (!name.startsWith(instancesIn)) return bases[name as keyof Bases];
  return bases.instances.in(name.slice(instancesIn.length));
}

const instancesIn = 'instances in ';

/** @param before of the last state: what both have alike is the same object in both */
export function indexResources(written: readonly Resource[], before?: ResourceIndex): ResourceIndex {
  const derived = new Derivations(before?.derived);
  const settings = derived.next<MeshSettings>('settings', (known) => {
    const now = meshSettings(written);
    return known !== undefined && JSON.stringify(known) === JSON.stringify(now) ? known : now;
  });
  const { rootNamespace } = settings;
  const resources = discovered(written, settings);
  const byKind = Map.groupBy(resources, ({ kind }) => kind);
  const of = <K extends Kind>(kind: K): readonly ResourceByKind[K][] => {
    const found = derived.list(`all ${kind}`, (byKind.get(kind) ?? []) as ResourceByKind[K][]);
    return derived.value(kind, [found], () => inOrder(found));
  };
  const named = <K extends Kind>(kind: K): ReadonlyMap<string, ResourceByKind[K]> => {
    const all = of(kind);
    return derived.value(`${kind} by name`, [all], () => byPlace(all));
  };
  const ownServices = of('Service');
  const serviceEntries = of('ServiceEntry');
  const services = derived.value('services', [ownServices, serviceEntries], () =>
    meshServices(ownServices, serviceEntries),
  );
  const ingresses = of('Ingress');
  const ingress = derived.value('ingress', [ingresses, ownServices], () =>
    routesOfIngresses(ingresses, ownServices),
  );
  const pods = of('Pod');
  const allWorkloads = derived.list('all workloads', resources.filter(isWorkload));
  const workloads = derived.value('workloads', [allWorkloads], () => inOrder(allWorkloads));
  const entriesInOrder = of('WorkloadEntry');
  const nodes = of('Node');
  const slices = of('EndpointSlice');
  const instances = derived.value<Instances>(
    'instances',
    [pods, entriesInOrder, slices, workloads, nodes],
    (known) => new Instances({ pods, entries: entriesInOrder, slices }, workloads, nodes, known),
  );
  const entries = named('WorkloadEntry');
  const routes = of('VirtualService');
  const virtualServices = derived.value<readonly VirtualService[]>(
    'virtual services',
    [routes, ingress, settings],
    (known) => delegated([...routes, ...ingress.virtualServices].sort(byAge), settings, known),
  );
  const groups = of('WorkloadGroup');
  const groupsByName = named('WorkloadGroup');
  const secrets = of('Secret');
  const secretsByName = named('Secret');
  const configMaps = named('ConfigMap');
  const podsByName = named('Pod');
  const destinationRules = of('DestinationRule');
  const fullName = (host: string, namespace: string): string =>
    fullHostName(host, namespace, (full) => services.has(full));
  const rules = derived.value(
    'rules',
    [destinationRules, services, settings],
    () =>
      new HostPolicies(destinationRules, {
        fullName,
        rootNamespace,
        exportTo: ({ spec }) => saidOr(spec.exportTo, settings.destinationRuleExportTo),
      }),
  );
  const resiliencePolicies = of('ResiliencePolicy');
  const resilience = derived.value(
    'resilience',
    [resiliencePolicies, services, settings],
    () => new HostPolicies(resiliencePolicies, { fullName, rootNamespace, exportTo: () => everywhere }),
  );
  const homeOf = (full: string): string | undefined => services.get(full)?.metadata.namespace;
  const policies = of('PeerAuthentication');
  const peerAuthentications = derived.value('policies by age', [policies], () => policies.toSorted(byAge));
  const filters = of('EnvoyFilter');
  const envoyFilters = derived.value('filters by age', [filters], () => filters.toSorted(byAge));
  const ownGateways = of('Gateway');
  const gateways = derived.value('gateways', [ownGateways, ingress], () =>
    [...ownGateways, ...ingress.gateways].sort(byAge),
  );
  return {
    services,
    pods,
    workloads,
    virtualServices,
    destinationRules,
    peerAuthentications,
    gateways,
    groups,
    sidecars: of('Sidecar'),
    envoyFilters,
    settings,
    derived,
    bases: {
      services,
      pods: podsByName,
      entries,
      groups: groupsByName,
      secrets: secretsByName,
      configMaps,
      instances,
      rules,
      resilience,
    },
    addressesOf(host): readonly string[] {
      return addressesByServices(services).get(host) ?? [];
    },
    pod: (namespace, name) => podsByName.get(`${namespace}/${name}`),
    entry: (namespace, name) => entries.get(`${namespace}/${name}`),
    group: (namespace, name) => groupsByName.get(`${namespace}/${name}`),
    secret: (namespace, name) => secretsByName.get(`${namespace}/${name}`),
    configMap: (namespace, name) => configMaps.get(`${namespace}/${name}`),
    secretsNamed: (name) => secrets.filter(({ metadata }) => metadata.name === name),
    instanceOf: (of) => instances.of(of),
    instancesOf: (service) => instances.behind(service),
    ownerOf: (pod) => instances.ownerOf(pod),
    portsOf: (host) => services.get(host)?.spec.ports ?? [],
    fullName,
    resiliencePolicies,
    destinationRuleFor: (full, reader) => joinRules(rules.of(full, homeOf(full), reader)),
    resilienceFor: (full, port, subset, reader) =>
      mostSpecific(resilience.of(full, homeOf(full), reader), port, subset),
    policyViewOf(reader): string {
      const { namespace } = reader;
      const isOwn = rules.isOwn(namespace) || resilience.isOwn(namespace);
      return JSON.stringify([isOwn ? namespace : '', rules.selectedBy(reader)]);
    },
  };
}

function byPlace<R extends Resource>(resources: readonly R[]): ReadonlyMap<string, R> {
  return new Map(resources.map((resource) => [placeOf(resource), resource]));
}

const places = new WeakMap<Resource, string>();

function placeOf(resource: Resource): string {
  const known = places.get(resource);
  if (known !== undefined) return known;
  const { namespace = '', name } = resource.metadata;
  const place = `${namespace}/${name}`;
  places.set(resource, place);
  return place;
}

/** As the cluster knows it; what comes from a file has no age and comes last. */
function byAge({ metadata: a }: Resource, { metadata: b }: Resource): number {
  const [left, right] = [a.creationTimestamp ?? '~', b.creationTimestamp ?? '~'];
  return left < right ? -1 : left > right ? 1 : 0;
}

function inOrder<R extends Resource>(resources: readonly R[]): readonly R[] {
  const isInOrder = resources.every((one, at) => at === 0 || placeOf(resources[at - 1]!) <= placeOf(one));
  if (isInOrder) return resources;
  const placed = resources.map((resource): [place: string, resource: R] => [placeOf(resource), resource]);
  placed.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));
  return placed.map(([, resource]) => resource);
}

/** Routes that delegate, with those of their delegates; what comes to the same as before is the same object. */
function delegated(
  all: readonly VirtualService[],
  settings: MeshSettings,
  before: readonly VirtualService[] = [],
): readonly VirtualService[] {
  const { virtualServices } = resolveDelegates(all, ({ metadata, spec }, namespace) => {
    const exportTo = saidOr(spec.exportTo, settings.virtualServiceExportTo);
    return isExportedTo(exportTo, metadata.namespace ?? '', namespace);
  });
  const written = new Set(all);
  const known = new Map(before.map((one) => [one.metadata, one]));
  return virtualServices.map((one) => {
    const same = written.has(one) ? undefined : known.get(one.metadata);
    return same !== undefined && JSON.stringify(same.spec) === JSON.stringify(one.spec) ? same : one;
  });
}

const addressTables = new WeakMap<ResourceIndex['services'], ReadonlyMap<string, readonly string[]>>();

/** Made when it is first asked for: only captured traffic does. */
function addressesByServices(services: ResourceIndex['services']): ReadonlyMap<string, readonly string[]> {
  const known = addressTables.get(services) ?? serviceAddresses(services);
  addressTables.set(services, known);
  return known;
}
