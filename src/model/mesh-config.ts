/** Istio's `MeshConfig`: what holds for a whole mesh, as the ConfigMap `istio` of `istio-system` has it. */
import { connectionPool, type TcpKeepalive, tcpKeepalive } from './connection-pool.ts';
import { list, mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import {
  defaulted,
  meaningless,
  object,
  optional,
  refused,
  required,
  unsupported,
  unsupportedIf,
} from './decode/object.ts';
import {
  boolean,
  dnsName,
  durationMs,
  durationMsOrZero,
  nonEmptyText,
  oneOf,
  text,
} from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { configExportTo, type ExportTo, hostExportTo } from './export-to.ts';
import { type HttpRetry, httpRetry } from './http-retry.ts';
import { type LocalitySetting, localitySetting } from './locality-setting.ts';
import type { Labels } from './metadata.ts';
import { outlierDetection } from './outlier-detection.ts';
import { type ProxyOptions, proxyOptions } from './proxy-options.ts';
import { type MeshTls, meshTls, type TlsDefaults, tlsDefaults } from './tls-defaults.ts';
import type { TrafficPolicy } from './traffic-policy.ts';

/** What is absent is Istio's default. Times are milliseconds. */
export interface MeshConfig {
  readonly outboundTrafficPolicy?: { readonly mode: OutboundMode };
  /** `LOCALHOST`: applications are called at 127.0.0.1, whatever address the call was made to. */
  readonly inboundTrafficPolicy?: { readonly mode: 'PASSTHROUGH' | 'LOCALHOST' };
  readonly defaultConfig?: ProxyOptions;
  readonly connectTimeout?: number;
  readonly dnsRefreshRate?: number;
  /** 0: for ever. */
  readonly protocolDetectionTimeout?: number;
  /** Where proxies write a line for each request and connection; empty: nowhere. */
  readonly accessLogFile?: string;
  /** Operators of Envoy; for `JSON` the text of an object of them. Empty: Istio's. */
  readonly accessLogFormat?: string;
  readonly accessLogEncoding?: AccessLogEncoding;
  readonly enableAutoMtls?: boolean;
  readonly trustDomain?: string;
  readonly trustDomainAliases?: readonly string[];
  readonly rootNamespace?: string;
  readonly defaultHttpRetryPolicy?: HttpRetry;
  readonly defaultServiceExportTo?: ExportTo;
  readonly defaultVirtualServiceExportTo?: ExportTo;
  readonly defaultDestinationRuleExportTo?: ExportTo;
  /** A namespace that none of them selects is not of the mesh; empty: all are. */
  readonly discoverySelectors?: readonly NamespaceSelector[];
  readonly pathNormalization?: { readonly normalization: PathNormalization };
  readonly meshMTLS?: MeshTls;
  readonly tlsDefaults?: TlsDefaults;
  readonly defaultTrafficPolicy?: Pick<TrafficPolicy, 'connectionPool' | 'outlierDetection'>;
  /** With `%SERVICE%` and the like. */
  readonly inboundClusterStatName?: string;
  readonly outboundClusterStatName?: string;
  readonly tcpKeepalive?: TcpKeepalive;
  readonly localityLbSetting?: LocalitySetting;
  readonly h2UpgradePolicy?: 'DO_NOT_UPGRADE' | 'UPGRADE';
}

export type OutboundMode = 'ALLOW_ANY' | 'REGISTRY_ONLY';
export type AccessLogEncoding = 'TEXT' | 'JSON';
export type PathNormalization = (typeof normalizations)[number];

const normalizations = ['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'] as const;

/** Kubernetes' selector of labels. */
export interface NamespaceSelector {
  readonly matchLabels: Labels;
  readonly matchExpressions: readonly LabelExpression[];
}

export interface LabelExpression {
  readonly key: string;
  readonly operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist';
  readonly values: readonly string[];
}

const expression: Decoder<LabelExpression> = object(
  {
    key: required(nonEmptyText, 'Of the label.'),
    operator: required(oneOf(['In', 'NotIn', 'Exists', 'DoesNotExist']), 'What is asked of it.'),
    values: defaulted(list(text), [], 'For `In` and `NotIn`.'),
  },
  ({ operator, values }, path, report) => {
    const asksForValues = operator.endsWith('In');
    if (asksForValues === values.length > 0) return;
    const rule = asksForValues ? 'needs values' : 'takes no values';
    report.error([...path, 'values'], `the operator ${operator} ${rule}`);
  },
);

const namespaceSelector: Decoder<NamespaceSelector> = object({
  matchLabels: defaulted(mapOf(text), {}, 'Labels it must have, all of them.'),
  matchExpressions: defaulted(list(expression), [], 'The same in other words, all of them.'),
});

/** Whether a namespace with these labels is meant. */
export function selectsNamespace({ matchLabels, matchExpressions }: NamespaceSelector, of: Labels): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => of[key] === value) &&
    matchExpressions.every(({ key, operator, values }) => {
      const own = Object.hasOwn(of, key) ? of[key] : undefined;
      if (operator === 'Exists') return own !== undefined;
      if (operator === 'DoesNotExist') return own === undefined;
      return (own !== undefined && values.includes(own)) === (operator === 'In');
    })
  );
}

const outboundTrafficPolicy: Decoder<NonNullable<MeshConfig['outboundTrafficPolicy']>> = refined(
  object({
    // Unset is the first of Istio's enumeration.
    mode: defaulted(
      oneOf(['REGISTRY_ONLY', 'ALLOW_ANY', 'ALLOW_ANY_DYNAMIC_DNS']),
      'REGISTRY_ONLY',
      '`ALLOW_ANY`: where they were made to. `REGISTRY_ONLY`: nowhere; HTTP gets 502, and other connections end. `ALLOW_ANY_DYNAMIC_DNS` is done as `ALLOW_ANY`.',
    ),
    tls: unsupported('closes'),
  }),
  ({ mode }, path, report) => {
    if (mode !== 'ALLOW_ANY_DYNAMIC_DNS') return { mode };
    const message = 'is done as ALLOW_ANY: hosts are called at the address that the caller has found';
    report.warning([...path, 'mode'], message);
    return { mode: 'ALLOW_ANY' };
  },
);

const inboundTrafficPolicy: Decoder<NonNullable<MeshConfig['inboundTrafficPolicy']>> = object({
  mode: defaulted(
    oneOf(['PASSTHROUGH', 'LOCALHOST']),
    'PASSTHROUGH',
    '`PASSTHROUGH`: at the address that the call was made to. `LOCALHOST`: at 127.0.0.1.',
  ),
});

const defaultTrafficPolicy: Decoder<NonNullable<MeshConfig['defaultTrafficPolicy']>> = object({
  connectionPool: optional(
    connectionPool,
    'Connections and requests; those to where the mesh knows nothing of too.',
  ),
  outlierDetection: optional(outlierDetection, 'When callers leave an endpoint alone.'),
});

const pathNormalization: Decoder<NonNullable<MeshConfig['pathNormalization']>> = object({
  normalization: defaulted(
    oneOf(normalizations),
    'DEFAULT',
    '`NONE`: as it came. `BASE`, the default: RFC 3986. `MERGE_SLASHES`: besides, `//` is `/`. `DECODE_AND_MERGE_SLASHES`: besides, `%2F` and `%5C` are slashes.',
  ),
});

/** Ports that programs know beforehand are Istio's and cannot be others. */
function always(port: number): ReturnType<typeof unsupportedIf> {
  return unsupportedIf('adds', (value) => value !== port);
}

const fields = {
  outboundTrafficPolicy: optional(
    outboundTrafficPolicy,
    'Where calls go that the mesh knows nothing of. The `LocalMesh` wins; a `Sidecar` may say otherwise.',
  ),
  inboundTrafficPolicy: optional(inboundTrafficPolicy, 'Where captured calls find the application.'),
  defaultConfig: optional(proxyOptions, 'How proxies run where no ProxyConfig and no annotation says it.'),
  connectTimeout: optional(
    durationMs,
    'Until a connection to a service or an application is there; a DestinationRule or a Sidecar may say otherwise. Without it 10 s.',
  ),
  dnsRefreshRate: optional(
    durationMs,
    'How often names of endpoints are looked up anew. Without it 5 s, or what their records say.',
  ),
  protocolDetectionTimeout: optional(
    durationMsOrZero,
    'How long first bytes are waited for that decide what a connection is; `0s`: for ever. The `LocalMesh` wins; without a word 5 s.',
  ),
  accessLogFile: optional(
    text,
    'Where proxies write a line for each request and connection, such as `/dev/stdout`; empty: nowhere.',
  ),
  accessLogFormat: optional(
    text,
    "With Envoy's operators; for `JSON` the text of an object of them. Empty: Istio's.",
  ),
  accessLogEncoding: optional(oneOf(['TEXT', 'JSON']), 'Whether lines are text (without a word) or JSON.'),
  enableAutoMtls: optional(
    boolean,
    'Whether callers use mutual TLS where no DestinationRule says anything and the callee can. Without a word they do.',
  ),
  trustDomain: optional(
    dnsName('dots'),
    'First part of every identity. The `LocalMesh` wins; without a word `cluster.local`. It cannot change while the mesh runs.',
  ),
  trustDomainAliases: optional(
    list(dnsName('dots')),
    'Other trust domains, whose workloads count as those of the own.',
  ),
  rootNamespace: optional(
    dnsName('no dots'),
    'The namespace whose policies, Sidecars and DestinationRules hold for the mesh. Without it `istio-system`.',
  ),
  defaultHttpRetryPolicy: optional(httpRetry, 'Retries of routes that say nothing.'),
  defaultServiceExportTo: optional(
    hostExportTo,
    'Who sees Services and hosts of ServiceEntries that say nothing. Without it all: `*`.',
  ),
  defaultVirtualServiceExportTo: optional(configExportTo, 'The same of VirtualServices.'),
  defaultDestinationRuleExportTo: optional(configExportTo, 'The same of DestinationRules.'),
  discoverySelectors: optional(
    list(namespaceSelector),
    'Labels of the namespaces that are of the mesh, any of the selectors; empty: all are. The root namespace always is.',
  ),
  pathNormalization: optional(
    pathNormalization,
    'The form that paths have before routes and policies see them.',
  ),
  meshMTLS: optional(meshTls, 'Of connections between proxies.'),
  tlsDefaults: optional(
    tlsDefaults,
    'Of all other TLS: of Gateways, and towards hosts by a DestinationRule.',
  ),
  inboundClusterStatName: optional(
    text,
    "Name of an application's cluster in metrics; with `%SERVICE%`, `%SERVICE_NAME%`, `%SERVICE_FQDN%`, `%SERVICE_PORT%`, `%SERVICE_PORT_NAME%`, `%TARGET_PORT%`.",
  ),
  outboundClusterStatName: optional(text, "The same of a service's cluster, with `%SUBSET_NAME%` besides."),
  proxyListenPort: always(15_001),
  proxyInboundListenPort: always(15_006),
  proxyHttpPort: always(15_007),
  tcpKeepalive: optional(
    tcpKeepalive,
    'Whether the peer of an idle connection to a service or an application is still there; each field may be said by a DestinationRule or a Sidecar instead.',
  ),
  localityLbSetting: optional(
    localitySetting,
    'Which places are preferred to which, where a DestinationRule has none.',
  ),
  zoneAwareLbSetting: unsupported('adds'),
  h2UpgradePolicy: optional(
    oneOf(['DO_NOT_UPGRADE', 'UPGRADE']),
    '`UPGRADE`: services are spoken to in HTTP/2 on ports that are said to be of HTTP; a DestinationRule may say otherwise.',
  ),
  enableTracing: unsupportedIf('adds', (value) => value === true),
  enableEnvoyAccessLogService: unsupportedIf('adds', (value) => value === true),
  extensionProviders: unsupportedIf('adds', isFilled),
  // Its own metrics are there in the format of Prometheus.
  defaultProviders: unsupportedIf('adds', (value) => JSON.stringify(value) !== '{"metrics":["prometheus"]}'),
  defaultTrafficPolicy: optional(
    defaultTrafficPolicy,
    'For all hosts; each of the two as a whole where the DestinationRule of a host has none.',
  ),
  serviceEntryVisibility: unsupportedIf(
    'closes',
    (value) => Reflect.get(Object(value), 'applyToSidecars') === true,
    'Without `applyToSidecars` it is for ambient proxies, which there are not; `exportTo` is for sidecars.',
  ),
  caCertificates: unsupportedIf('adds', isFilled),
  // What is verified is what a DestinationRule says.
  verifyCertificateAtClient: unsupportedIf('closes', (value) => value === true),
  configSources: refused('name files and folders to heddle up or heddle control'),
  ca: refused('the control plane signs; see docs/limits.md'),
  certificates: meaningless('Kubernetes signs no certificates here.'),
  ingressClass: meaningless('There is no Ingress of Kubernetes.'),
  ingressService: meaningless('There is no Ingress of Kubernetes.'),
  ingressControllerMode: meaningless('There is no Ingress of Kubernetes.'),
  ingressSelector: meaningless('There is no Ingress of Kubernetes.'),
  disableEnvoyListenerLog: meaningless('Listeners write no lines of their own.'),
  enablePrometheusMerge: meaningless('Applications and their proxies are asked for metrics one by one.'),
  hboneIdleTimeout: meaningless('There is no ztunnel.'),
  serviceSettings: meaningless('A mesh is one cluster.'),
  serviceScopeConfigs: meaningless('There is no ztunnel.'),
} as const;

function isFilled(value: unknown): boolean {
  return Object.keys(Object(value)).length > 0;
}

export const meshConfig: Decoder<MeshConfig> = object(fields, (decoded, path, report) => {
  const { accessLogEncoding, accessLogFormat = '' } = decoded;
  if (accessLogEncoding === 'JSON' && accessLogFormat !== '' && jsonObject(accessLogFormat) === undefined) {
    const fix = 'such as \'{"status": "%RESPONSE_CODE%"}\'';
    report.error([...path, 'accessLogFormat'], 'is not the text of a JSON object', fix);
  }
});

/** Undefined where the text is none. */
export function jsonObject(written: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(written);
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isObject ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
