/** `ProxyConfig` of Istio's MeshConfig: how proxies run. It is `defaultConfig` there, and an annotation of Pods. */
import { parseYaml } from '#core/yaml.ts';
import { mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { meaningless, object, optional, refused, unsupported, unsupportedIf } from './decode/object.ts';
import { durationMsOrZero, integer, oneOf, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';

/** What is absent is said elsewhere, or the default. Times are milliseconds. */
export interface ProxyOptions {
  /** Threads; 0: one for each processor. */
  readonly concurrency?: number;
  /** What connections get to finish when the proxy stops. */
  readonly terminationDrainDuration?: number;
  readonly interceptionMode?: 'REDIRECT' | 'TPROXY';
  /** Environment of the proxy. */
  readonly proxyMetadata?: Readonly<Record<string, string>>;
  readonly gatewayTopology?: GatewayTopology;
}

export interface GatewayTopology {
  /** Proxies in front of the gateway whose `x-forwarded-for` is believed. */
  readonly numTrustedProxies?: number;
  readonly forwardClientCertDetails?: ForwardClientCertDetails;
  /** Present: connections begin with the PROXY protocol. */
  readonly proxyProtocol?: object;
}

const certificateDetails = [
  'UNDEFINED',
  'SANITIZE',
  'FORWARD_ONLY',
  'APPEND_FORWARD',
  'SANITIZE_SET',
  'ALWAYS_FORWARD_ONLY',
] as const;
/** `UNDEFINED`: as without a word. */
export type ForwardClientCertDetails = (typeof certificateDetails)[number];

const gatewayTopology: Decoder<GatewayTopology> = object({
  numTrustedProxies: optional(
    integer(0, 2 ** 32 - 1),
    'The address of a client is the one so far from the end of `x-forwarded-for`; 0: that of the connection.',
  ),
  forwardClientCertDetails: optional(
    oneOf(certificateDetails),
    'What becomes of `x-forwarded-client-cert`: it is taken off (`SANITIZE`), kept of clients with a certificate (`FORWARD_ONLY`), added to or written anew (`SANITIZE_SET`, without a word), or always kept.',
  ),
  proxyProtocol: optional(
    object({}),
    'Connections begin with the PROXY protocol, of either version; others are not taken.',
  ),
});

const variables: Decoder<Readonly<Record<string, string>>> = mapOf(text);

/** Every other mode would take traffic away from the proxy that `heddle up` starts beside a workload. */
const interceptionMode: Decoder<'REDIRECT' | 'TPROXY'> = refined(
  oneOf(['REDIRECT', 'TPROXY', 'NONE']),
  (mode, path, report) =>
    mode === 'NONE' ? report.error(path, 'NONE is not supported yet', 'write REDIRECT or TPROXY') : mode,
);

const places = {
  configPath: meaningless("It names a part of Istio's own agent."),
  binaryPath: meaningless("It names a part of Istio's own agent."),
  customConfigFile: meaningless("It names a part of Istio's own agent."),
  proxyBootstrapTemplatePath: meaningless("It names a part of Istio's own agent."),
  serviceCluster: meaningless("It names a part of Istio's own agent."),
  tracingServiceName: meaningless("It names a part of Istio's own agent."),
  image: meaningless('There are no images of proxies.'),
  discoveryAddress: meaningless('The mesh has one control plane, and its proxies know it.'),
  controlPlaneAuthPolicy: meaningless('It is always mutual TLS.'),
  meshId: meaningless('A mesh has one name.'),
  parentShutdownDuration: meaningless('It follows from drainDuration.'),
  statNameLength: meaningless("It names a part of Istio's own agent."),
  readinessProbe: meaningless('The runner asks the proxy itself.'),
  fileFlushInterval: meaningless('Lines are written as they come.'),
  fileFlushMinSizeKb: meaningless('Lines are written as they come.'),
  statsCompression: meaningless('Pages of metrics are short enough.'),
  holdApplicationUntilProxyStarts: meaningless('Applications always start when their proxy answers.'),
  availabilityZone: meaningless("It names a part of Istio's own agent."),
} as const;

const decode = object({
  ...places,
  concurrency: optional(integer(0, 1024), 'Threads; 0: one for each processor. Without it one.'),
  terminationDrainDuration: optional(
    durationMsOrZero,
    'What connections get to finish when the proxy stops, in whole seconds. Without it 5 s.',
  ),
  interceptionMode: optional(
    interceptionMode,
    'How connections are captured; the annotation `sidecar.istio.io/interceptionMode` wins.',
  ),
  proxyMetadata: optional(variables, 'Environment of the proxy.'),
  drainDuration: meaningless('What connections get while a listener changes is what they get on a stop.'),
  proxyAdminPort: unsupportedIf('adds', (value) => value !== 15_000),
  statusPort: unsupportedIf('adds', (value) => value !== 15_020),
  statsdUdpAddress: unsupported('adds'),
  zipkinAddress: unsupported('adds'),
  tracing: unsupported('adds'),
  envoyAccessLogService: unsupported('adds'),
  envoyMetricsService: unsupported('adds'),
  envoyMetricsServiceAddress: unsupported('adds'),
  runtimeValues: unsupported('closes'),
  extraStatTags: unsupported('adds'),
  proxyStatsMatcher: unsupported('adds'),
  gatewayTopology: optional(gatewayTopology, 'What stands in front of gateways.'),
  proxyHeaders: unsupported('closes'),
  connectionSettings: unsupported('closes'),
  privateKeyProvider: unsupported('adds'),
  caCertificatesPem: refused('the control plane says which roots are trusted'),
});

export const proxyOptions: Decoder<ProxyOptions> = decode;

/** The same as the text of YAML. */
export const proxyConfigAnnotation = 'proxy.istio.io/config';

export const annotatedOptions: Decoder<ProxyOptions> = (value, path, report) => {
  const { documents, problems } = parseYaml(String(value), proxyConfigAnnotation);
  for (const { message } of problems) report.error(path, message);
  if (problems.length > 0) return undefined;
  return documents.length === 0 ? {} : proxyOptions(documents[0]?.value, path, report);
};

/** Each later one wins; variables are put together (Istio). */
export function mergedOptions(options: readonly (ProxyOptions | undefined)[]): ProxyOptions {
  const said = options.filter((one) => one !== undefined);
  const merged = Object.assign({}, ...said) as ProxyOptions;
  const proxyMetadata = Object.assign({}, ...said.map((one) => one.proxyMetadata ?? {})) as Record<
    string,
    string
  >;
  return { ...merged, ...(Object.keys(proxyMetadata).length > 0 && { proxyMetadata }) };
}
