/**
 * The environment of an application: what Kubernetes would give it, where to listen, and the standard
 * proxy variables that lead its calls through the sidecar without a change of the application.
 */
import { expandVolumes, type PodFacts, withVariables } from './expand.ts';
import { serviceHost, servicePortKey } from './service-plan.ts';
import { volumeVariable } from './volume-plan.ts';
import type { ContainerPlan, ServicePortPlan } from './workload-plan.ts';

export interface EnvironmentInput {
  /** Of the runner: `PATH`, `HOME`, `LANG` and what else the machine has. */
  readonly base: Readonly<Record<string, string | undefined>>;
  readonly pathWithNode: string;
  readonly pod: PodFacts;
  /** Whether its traffic is captured: it is told nothing of the mesh then. */
  readonly captured: boolean;
  /** Where the application is to listen. */
  readonly applicationAddress: string;
  readonly container: ContainerPlan;
  /** Services of all namespaces. */
  readonly services: readonly ServicePortPlan[];
  /** Port on the mesh address by `HOST:PORT` of each TCP service. */
  readonly servicePorts: ReadonlyMap<string, number>;
  /** Of an indexed Job. */
  readonly completionIndex?: number;
  /** Undefined where no sidecar takes the calls. */
  readonly sidecarAddress?: string;
  readonly controlAddress: string;
  /** Where the container finds its volumes, by name. */
  readonly volumes: ReadonlyMap<string, string>;
  /** Bootstrap file for gRPC's xDS clients and servers. */
  readonly grpcBootstrap?: string;
}

export interface ApplicationEnvironment {
  readonly all: Readonly<Record<string, string>>;
  /** But for what is the machine's: these may be named as `$(NAME)`, as in a container. */
  readonly own: Readonly<Record<string, string>>;
}

/** Istio's `meshConfig.proxyHttpPort`. */
const HTTP_PROXY_PORT = 15_007;

/** Of the runner's environment, what would lead an application past its sidecar or into a test run of ours. */
const notInherited = new Set([
  'http_proxy',
  'https_proxy',
  'all_proxy',
  'no_proxy',
  'grpc_proxy',
  'no_grpc_proxy',
  'node_test_context',
  'node_options',
  'grpc_xds_bootstrap',
  'grpc_xds_bootstrap_config',
]);

/** The runner's environment as our own processes and applications may have it. */
export function cleanEnvironment(
  base: Readonly<Record<string, string | undefined>>,
  pathWithNode: string,
): Record<string, string> {
  const clean: Record<string, string> = {};
  for (const [name, value] of Object.entries(base)) {
    if (value !== undefined && !notInherited.has(name.toLowerCase())) clean[name] = value;
  }
  clean.PATH = pathWithNode;
  return clean;
}

/** Later groups win: a container's own variables over everything but where it has to listen. */
export function applicationEnvironment(input: EnvironmentInput): ApplicationEnvironment {
  const { captured, container, completionIndex, grpcBootstrap, pod } = input;
  const { namespace } = pod;
  const port = container.ports[0]?.containerPort;
  const volumes = Object.fromEntries([...input.volumes].map(([name, at]) => [volumeVariable(name), at]));
  const ofImage = Object.entries(container.env).map(([name, text]) => [name, expandVolumes(text, volumes)]);
  const given = {
    ...serviceVariables(input, namespace),
    ...(input.sidecarAddress !== undefined && !captured && proxyVariables(input.sidecarAddress, input)),
    ...(grpcBootstrap !== undefined && { GRPC_XDS_BOOTSTRAP: grpcBootstrap }),
    HOSTNAME: pod.name,
    ...(port !== undefined && { PORT: String(port) }),
    ...(completionIndex !== undefined && { JOB_COMPLETION_INDEX: String(completionIndex) }),
    ...volumes,
    ...Object.fromEntries(ofImage),
  };
  const own = {
    ...withVariables(given, container.variables, pod),
    // A manifest written for containers may say 0.0.0.0, which without capture belongs to nobody alone.
    ...(!captured && { HOST: input.applicationAddress }),
  };
  return { own, all: { ...cleanEnvironment(input.base, input.pathWithNode), ...own } };
}

function proxyVariables(
  sidecarAddress: string,
  { applicationAddress, controlAddress }: EnvironmentInput,
): Record<string, string> {
  const proxy = `http://${sidecarAddress}:${HTTP_PROXY_PORT}`;
  // Addresses one by one and as a range: each runtime reads only some of the forms.
  const direct = [
    'localhost',
    '127.0.0.1',
    '::1',
    applicationAddress,
    sidecarAddress,
    controlAddress,
    '127.0.0.0/8',
  ];
  const none = direct.join(',');
  return {
    http_proxy: proxy,
    HTTP_PROXY: proxy,
    https_proxy: proxy,
    HTTPS_PROXY: proxy,
    grpc_proxy: proxy,
    no_proxy: none,
    NO_PROXY: none,
    // Node's own http, https and fetch look at the variables only when told (Node 24.5 and later).
    NODE_USE_ENV_PROXY: '1',
  };
}

/**
 * Kubernetes' variables for the services of the own namespace ("Discovering services"): an HTTP
 * service by its name, which the sidecar's proxy knows; others by a listener of the sidecar.
 */
function serviceVariables(
  { captured, services, servicePorts, sidecarAddress }: EnvironmentInput,
  namespace: string,
): Record<string, string> {
  const variables: Record<string, string> = {};
  for (const port of services.filter((service) => service.namespace === namespace)) {
    const prefix = port.service.toUpperCase().replaceAll('-', '_');
    const listener =
      sidecarAddress === undefined || captured ? undefined : servicePorts.get(servicePortKey(port));
    const own = captured ? port.address : undefined;
    const host = own ?? (listener === undefined ? serviceHost(port) : sidecarAddress!);
    const number = String(listener ?? port.port);
    const url = `tcp://${host}:${number}`;
    // The first port of a service is the one the short forms stand for.
    if (variables[`${prefix}_SERVICE_HOST`] === undefined) {
      variables[`${prefix}_SERVICE_HOST`] = host;
      variables[`${prefix}_SERVICE_PORT`] = number;
      variables[`${prefix}_PORT`] = url;
    }
    if (port.name !== undefined) {
      variables[`${prefix}_SERVICE_PORT_${port.name.toUpperCase().replaceAll('-', '_')}`] = number;
    }
    const long = `${prefix}_PORT_${port.port}_TCP`;
    variables[long] = url;
    variables[`${long}_PROTO`] = 'tcp';
    variables[`${long}_PORT`] = number;
    variables[`${long}_ADDR`] = host;
  }
  return variables;
}
