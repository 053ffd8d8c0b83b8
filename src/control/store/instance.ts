/** What stands behind services: Pods, entries of workloads that are none, and endpoints of slices. To callers they are the same. */
import { parseIp } from '#core/ip-address.ts';
import type { EndpointSlice, SliceEndpoint } from '#model/endpoint-slice.ts';
import type { Labels } from '#model/metadata.ts';
import { localityOf, type Node } from '#model/node.ts';
import { isReady, type Pod } from '#model/pod.ts';
import type { ServicePort } from '#model/service.ts';
import type { Workload } from '#model/workload.ts';
import { isHealthy, labelsOfEntry, type WorkloadEntry } from '#model/workload-entry.ts';

export interface Instance {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Labels;
  readonly annotations: Labels;
  /** An IP address; undefined: nobody can call it. */
  readonly address: string | undefined;
  /** `ready`: takes requests. `not ready`: is there, for services that publish such instances too. `gone`: for nobody. */
  readonly state: 'ready' | 'not ready' | 'gone';
  /** That its certificate names; undefined where nobody knows. */
  readonly serviceAccount: string | undefined;
  /** Relative to others behind a service. */
  readonly weight: number;
  /** `REGION/ZONE/SUBZONE`, as far as it is known. */
  readonly locality: string;
  /** Whether something terminates the mesh's TLS there. */
  readonly speaksTls: boolean;
  /** What it is an instance of: a Deployment, a WorkloadGroup. */
  readonly workload: string;
  /** Of a StatefulSet: the service under which it has a name of its own. */
  readonly governingService: string | undefined;
  /** Where it listens by its own account. */
  readonly declaredPorts: readonly number[];
  /** Where callers reach what `port` means; undefined where the instance has no port of that name. */
  portOf(port: ServicePort): number | undefined;
  /** What policies for its ports call the one that callers reach at `port`. */
  policyPort(port: number): number;
}

const tlsModeLabel = 'security.istio.io/tlsMode';
/** Name of the WorkloadGroup that an entry was made for (Istio). */
export const groupAnnotation = 'istio.io/autoRegistrationGroup';
/** Name of the workload of an entry that no group tells of. */
export const workloadAnnotation = 'heddle.dev/workload';
/** `{"19080": 9080}`: ports of the host, and those of the application behind them. */
export const boundPortsAnnotation = 'heddle.dev/bound-ports';

/** @param owner undefined where nobody told of it, as `node` */
export function instanceOfPod(pod: Pod, owner: Workload | undefined, node?: Node): Instance {
  const { name, namespace = '', labels, annotations, deletionTimestamp } = pod.metadata;
  const present = deletionTimestamp === undefined ? 'not ready' : 'gone';
  return {
    name,
    namespace,
    labels,
    annotations,
    address: pod.status.podIP,
    state: isReady(pod) ? 'ready' : present,
    serviceAccount: pod.spec.serviceAccountName,
    weight: 1,
    locality: localityOf(labels, node),
    speaksTls: labels[tlsModeLabel] === 'istio' || isProxyless(annotations),
    workload: owner?.metadata.name ?? name,
    governingService: owner?.kind === 'StatefulSet' ? owner.spec.serviceName : undefined,
    declaredPorts: pod.spec.containers.flatMap(({ ports }) =>
      ports.filter(({ protocol }) => protocol === 'TCP').map(({ containerPort }) => containerPort),
    ),
    portOf: (port) => targetPortOf(pod, port),
    policyPort: (port) => port,
  };
}

export function instanceOfEntry(entry: WorkloadEntry): Instance {
  const { metadata, spec } = entry;
  const { name, namespace = '', annotations } = metadata;
  const labels = labelsOfEntry(entry);
  const isIp = spec.address !== undefined && parseIp(spec.address) !== undefined;
  const bound = boundPorts(annotations);
  return {
    name,
    namespace,
    labels,
    annotations,
    address: isIp ? spec.address : undefined,
    state: isHealthy(entry) ? 'ready' : 'gone',
    serviceAccount: spec.serviceAccount,
    weight: spec.weight,
    locality: spec.locality ?? '',
    // Istio: who has an identity has a sidecar, where nobody says otherwise.
    speaksTls: (labels[tlsModeLabel] ?? (spec.serviceAccount === undefined ? '' : 'istio')) === 'istio',
    workload: annotations[groupAnnotation] ?? annotations[workloadAnnotation] ?? name,
    governingService: undefined,
    declaredPorts: Object.values(spec.ports),
    portOf: (port) => entryPort(entry, port, bound),
    policyPort: (port) => bound.get(port) ?? port,
  };
}

/** What a slice knows of the place of an endpoint. */
export interface SlicePlace {
  /** The Pod at the address, where there is one. */
  readonly pod: Instance | undefined;
  readonly node: Node | undefined;
}

/** @param address of the endpoint, one of several */
export function instanceOfSlice(
  { metadata, ports }: EndpointSlice,
  { ready = true, hostname, zone = '' }: SliceEndpoint,
  address: string,
  { pod, node }: SlicePlace,
): Instance {
  const said = {
    address,
    state: ready ? ('ready' as const) : ('not ready' as const),
    portOf: ({ name = '' }: ServicePort) => ports.find((port) => port.name === name)?.port,
  };
  if (pod !== undefined) return { ...pod, ...said };
  return {
    ...said,
    name: hostname ?? metadata.name,
    namespace: metadata.namespace ?? '',
    labels: {},
    annotations: {},
    serviceAccount: undefined,
    weight: 1,
    locality: localityOf({}, node) || (zone === '' ? '' : `/${zone}`),
    speaksTls: false,
    workload: metadata.name,
    governingService: undefined,
    declaredPorts: [],
    policyPort: (port) => port,
  };
}

/** The application is its own data plane (gRPC with xDS), and nothing stands before it. */
function isProxyless(annotations: Labels): boolean {
  return annotations['inject.istio.io/templates'] === 'grpc-agent';
}

/** The port of the pod that a service port means; undefined if it is named and the pod has no such name. */
function targetPortOf(pod: Pod, port: ServicePort): number | undefined {
  const target = port.targetPort ?? port.port;
  if (typeof target === 'number') return target;
  for (const container of pod.spec.containers) {
    const found = container.ports.find(({ name }) => name === target);
    if (found !== undefined) return found.containerPort;
  }
  return undefined;
}

/**
 * Its own ports are named by the target's name, where that is a name, else by the name of the service's port (Istio).
 * @param bound those of its host, where it has registered them
 */
function entryPort(
  { spec }: WorkloadEntry,
  { name, port, targetPort = port }: ServicePort,
  bound: ReadonlyMap<number, number>,
): number | undefined {
  const own = (called: string): number | undefined =>
    Object.hasOwn(spec.ports, called) ? spec.ports[called] : undefined;
  if (typeof targetPort === 'string') return own(targetPort);
  // A service with a port without name has that one alone.
  const [only] = bound.keys();
  return name === undefined ? (only ?? targetPort) : (own(name) ?? targetPort);
}

function boundPorts(annotations: Labels): ReadonlyMap<number, number> {
  const written = annotations[boundPortsAnnotation];
  if (written === undefined) return new Map();
  try {
    const ports = JSON.parse(written) as Readonly<Record<string, number>>;
    return new Map(Object.entries(ports).map(([host, own]) => [Number(host), own]));
  } catch {
    return new Map();
  }
}
