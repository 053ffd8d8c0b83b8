/**
 * The part of a mesh that a proxy is told of: what is exported to its namespace, and of that what a `Sidecar` asks for.
 * Each part is an index like the whole, so that whoever translates need not know, and the same one for all whose part
 * is the same.
 */
import { type ExportTo, isExportedTo, saidOr } from '#model/export-to.ts';
import { coversHost } from '#model/host-name.ts';
import type { MeshSettings } from '#model/mesh-settings.ts';
import type { Labels } from '#model/metadata.ts';
import { selects } from '#model/metadata.ts';
import type { EgressListener, ImportedHost, Sidecar } from '#model/sidecar.ts';
import type { VirtualService } from '#model/virtual-service.ts';
import { asBefore } from './derivation.ts';
import { type MeshService, saidExportTo } from './mesh-service.ts';
import type { ResourceIndex } from './resource-index.ts';

/** Ports of one listener for what an application sends. */
export interface EgressScope {
  /** Undefined: nobody has written it. */
  readonly listener: EgressListener | undefined;
  readonly index: ResourceIndex;
}

export interface SidecarScope {
  readonly sidecar: Sidecar | undefined;
  /** All that the proxy may call. */
  readonly index: ResourceIndex;
  /** In the order of ports that they take from those behind them. */
  readonly egress: readonly EgressScope[];
}

interface Caller {
  readonly namespace: string;
  readonly labels: Labels;
}

/** Parts of one state of the mesh. */
interface Parts {
  /** What not everybody sees. */
  readonly hidden: readonly Hidden[];
  readonly byNamespace: Map<string, ResourceIndex>;
  readonly byVisible: Map<string, ResourceIndex>;
  readonly byImports: Map<string, SidecarScope>;
}

/** What of the mesh is seen. */
type Seen = Pick<ResourceIndex, 'services' | 'virtualServices'>;

interface Hidden {
  readonly of: MeshService | VirtualService;
  isSeenFrom(namespace: string): boolean;
}

const partsOf = new WeakMap<ResourceIndex, Parts>();

/** What is exported to a namespace. */
export function exportedScope(index: ResourceIndex, namespace: string): ResourceIndex {
  const { hidden, byNamespace, byVisible } = parts(index);
  if (hidden.length === 0) return index;
  const before = byNamespace.get(namespace);
  if (before !== undefined) return before;
  const isSeen = hidden.map((one) => one.isSeenFrom(namespace));
  const key = isSeen.map((seen) => (seen ? '1' : '0')).join('');
  const known = byVisible.get(key);
  const without = new Set<unknown>(hidden.flatMap(({ of }, at) => (isSeen[at] ? [] : [of])));
  const made = known ?? partOf(index, `exported ${key}`, withoutThose(index, without));
  byVisible.set(key, made);
  byNamespace.set(namespace, made);
  return made;
}

function withoutThose({ services, virtualServices }: Seen, without: ReadonlySet<unknown>): Seen {
  return {
    services: new Map([...services].filter(([, service]) => !without.has(service))),
    virtualServices: virtualServices.filter((one) => !without.has(one)),
  };
}

/** @param name of the part, in this state and the next */
function partOf(index: ResourceIndex, name: string, seen: Seen): ResourceIndex {
  const derived = index.derived.part(name);
  return {
    ...index,
    services: derived.next<Seen['services']>('services', (before) => asBefore(before, seen.services)),
    virtualServices: derived.list('virtual services', seen.virtualServices),
    derived,
  };
}

/** @param who of which the Sidecar is: the first by name that selects it, else of its namespace, else of the mesh */
export function sidecarScope(index: ResourceIndex, who: Caller): SidecarScope {
  const sidecar = sidecarFor(index, who);
  const whole = exportedScope(index, who.namespace);
  if (sidecar === undefined) return wholeScope(whole);
  const { byImports } = parts(index);
  const key = `${sidecar.metadata.namespace}/${sidecar.metadata.name} ${who.namespace}`;
  const known = byImports.get(key);
  if (known !== undefined) return known;
  const made = importedScope(sidecar, who.namespace, whole, index.services);
  byImports.set(key, made);
  return made;
}

const wholes = new WeakMap<ResourceIndex, SidecarScope>();

function wholeScope(index: ResourceIndex): SidecarScope {
  const known = wholes.get(index);
  if (known !== undefined) return known;
  const made = { sidecar: undefined, index, egress: [{ listener: undefined, index }] };
  wholes.set(index, made);
  return made;
}

function parts(index: ResourceIndex): Parts {
  const known = partsOf.get(index);
  if (known !== undefined) return known;
  const made: Parts = {
    hidden: hiddenOf(index),
    byNamespace: new Map(),
    byVisible: new Map(),
    byImports: new Map(),
  };
  partsOf.set(index, made);
  return made;
}

function hiddenOf({ services, virtualServices, settings }: ResourceIndex): Hidden[] {
  const hide = (of: Hidden['of'], exportTo: ExportTo): Hidden[] =>
    exportTo.includes('*')
      ? []
      : [{ of, isSeenFrom: (namespace) => isExportedTo(exportTo, of.metadata.namespace ?? '', namespace) }];
  return [
    ...[...services.values()].flatMap((one) => hide(one, saidExportTo(one) ?? settings.serviceExportTo)),
    ...virtualServices.flatMap((one) =>
      hide(one, saidOr(one.spec.exportTo, settings.virtualServiceExportTo)),
    ),
  ];
}

function sidecarFor(
  { sidecars, settings: { rootNamespace } }: ResourceIndex,
  { namespace, labels }: Caller,
): Sidecar | undefined {
  const own = sidecars.filter(({ metadata }) => metadata.namespace === namespace);
  const isForAll = ({ spec }: Sidecar): boolean => Object.keys(spec.workloadSelector ?? {}).length === 0;
  return (
    own.find((one) => !isForAll(one) && selects(one.spec.workloadSelector ?? {}, labels)) ??
    own.find(isForAll) ??
    sidecars.find((one) => one.metadata.namespace === rootNamespace && isForAll(one))
  );
}

/** @param namespace of the workload, which `.` stands for, also in a Sidecar of the whole mesh (Istio); @param known of the whole mesh: short names mean them */
function importedScope(
  sidecar: Sidecar,
  namespace: string,
  whole: ResourceIndex,
  known: ResourceIndex['services'],
): SidecarScope {
  const { egress = [], outboundTrafficPolicy } = sidecar.spec;
  const policy = outboundTrafficPolicy && outboundPolicy(outboundTrafficPolicy, namespace, whole);
  const name = `sidecar ${sidecar.metadata.namespace}/${sidecar.metadata.name} ${namespace}`;
  const base: ResourceIndex =
    policy === undefined ? whole : { ...whole, settings: withPolicy(whole, name, policy.says) };
  const listeners = egress.length === 0 ? [undefined] : egress;
  const taken = new Set(egress.flatMap(({ port }) => port?.number ?? []));
  const seen = whole.derived.value<readonly Seen[]>(
    `${name} seen`,
    [sidecar, policy?.host, whole.services, whole.virtualServices, known],
    () => {
      const parts = listeners.map((listener): Seen => {
        const asked = importedBy(listener?.hosts ?? everything, namespace, base);
        return { ...asked, services: forPorts(asked.services, listener, taken) };
      });
      return [callable(parts, base, policy?.host), ...parts];
    },
  );
  const [all = base, ...each] = seen.map((one, at) => partOf(base, `${name} ${at}`, one));
  const scopes = listeners.map((listener, at): EgressScope => ({ listener, index: each[at] ?? all }));
  return { sidecar, index: all, egress: scopes };
}

/** The same object while it says the same. */
function withPolicy(
  { derived, settings }: ResourceIndex,
  name: string,
  outboundTrafficPolicy: MeshSettings['outboundTrafficPolicy'],
): MeshSettings {
  const { mode, egressCluster } = outboundTrafficPolicy;
  return derived.value(`${name} settings`, [settings, mode, egressCluster], () => ({
    ...settings,
    outboundTrafficPolicy,
  }));
}

const everything: readonly ImportedHost[] = [{ namespace: '*', host: '*' }];

function outboundPolicy(
  { mode, egressProxy }: NonNullable<Sidecar['spec']['outboundTrafficPolicy']>,
  namespace: string,
  index: ResourceIndex,
): { readonly says: ResourceIndex['settings']['outboundTrafficPolicy']; readonly host?: string } {
  if (egressProxy === undefined) return { says: { mode } };
  const host = index.fullName(egressProxy.host, namespace);
  const ports = index.portsOf(host);
  const port = egressProxy.port ?? ports[0]?.port ?? 0;
  return { says: { mode, egressCluster: `outbound|${port}|${egressProxy.subset ?? ''}|${host}` }, host };
}

/** Hosts and routes that one listener asks for. */
function importedBy(hosts: readonly ImportedHost[], namespace: string, index: ResourceIndex): Seen {
  const hostsIn = (place = ''): readonly string[] =>
    hosts
      .filter((one) => one.namespace === '*' || (one.namespace === '.' ? namespace : one.namespace) === place)
      .map(({ host }) => host);
  const services = [...index.services].filter(([name, { metadata }]) =>
    hostsIn(metadata.namespace).some((host) => coversHost(host, name)),
  );
  const virtualServices = index.virtualServices.filter(({ metadata, spec }) => {
    const wanted = hostsIn(metadata.namespace);
    if (wanted.length === 0) return false;
    const names = spec.hosts.map((host) => index.fullName(host, metadata.namespace ?? ''));
    return names.some((name) => wanted.some((host) => coversHost(host, name) || coversHost(name, host)));
  });
  return { services: new Map(services), virtualServices };
}

/** What of them is for the port of a listener; for the one without a port what no other has. */
function forPorts(
  services: ResourceIndex['services'],
  listener: EgressListener | undefined,
  taken: ReadonlySet<number>,
): ResourceIndex['services'] {
  if (taken.size === 0 || takesEveryPort(listener)) return services;
  const own = listener?.port?.number;
  const isFor = (port: number): boolean => (own === undefined ? !taken.has(port) : port === own);
  const narrowed = [...services].flatMap(([host, service]): [string, MeshService][] => {
    const ports = service.spec.ports.filter(({ port }) => isFor(port));
    if (ports.length === service.spec.ports.length) return [[host, service]];
    return ports.length === 0 ? [] : [[host, withPorts(service, ports)]];
  });
  return new Map(narrowed);
}

const narrowedOf = new WeakMap<MeshService, Map<string, MeshService>>();

/** The same object for the same ports. */
function withPorts(service: MeshService, ports: MeshService['spec']['ports']): MeshService {
  const narrowed = narrowedOf.get(service) ?? new Map<string, MeshService>();
  narrowedOf.set(service, narrowed);
  const key = ports.map((port) => service.spec.ports.indexOf(port)).join();
  const known = narrowed.get(key) ?? { ...service, spec: { ...service.spec, ports } };
  narrowed.set(key, known);
  return known;
}

/** Whoever names host and port himself, or calls a socket of Unix, means any of them (Istio). */
export function takesEveryPort(listener: EgressListener | undefined): boolean {
  return listener?.port?.number === 0 || listener?.port?.protocol === 'HTTP_PROXY';
}

/** All that the listeners ask for, and what the routes among it lead to. @param also another host */
function callable(parts: readonly Seen[], base: ResourceIndex, also: string | undefined): Seen {
  const virtualServices = new Set(parts.flatMap((part) => part.virtualServices));
  const hosts = new Set(parts.flatMap((part) => [...part.services.keys()]));
  for (const one of virtualServices) {
    for (const host of destinationsOf(one)) hosts.add(base.fullName(host, one.metadata.namespace ?? ''));
  }
  if (also !== undefined) hosts.add(also);
  return {
    services: new Map([...base.services].filter(([host]) => hosts.has(host))),
    virtualServices: base.virtualServices.filter((one) => virtualServices.has(one)),
  };
}

const destinations = new WeakMap<VirtualService, ReadonlySet<string>>();

/** Every host that a route sends something to, however it does. */
function destinationsOf(of: VirtualService): ReadonlySet<string> {
  const known = destinations.get(of);
  if (known !== undefined) return known;
  const found = new Set<string>();
  collectDestinations(of.spec, found);
  destinations.set(of, found);
  return found;
}

function collectDestinations(value: unknown, into: Set<string>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [name, inner] of Object.entries(value)) {
    const { host } = Object(inner) as { readonly host?: unknown };
    if (name === 'destination' && typeof host === 'string') into.add(host);
    collectDestinations(inner, into);
  }
}
