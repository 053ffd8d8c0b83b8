/** What holds for a mesh: what its LocalMesh says, else Istio's MeshConfig, else what Istio does by default. */
import type { ConnectionPoolPolicy, TcpKeepalive } from './connection-pool.ts';
import { type ExportTo, everywhere } from './export-to.ts';
import type { HttpRetry } from './http-retry.ts';
import type { Resource } from './kinds.ts';
import { defaultMeshSettings, type LocalMesh } from './local-mesh.ts';
import type { LocalitySetting } from './locality-setting.ts';
import type {
  AccessLogEncoding,
  MeshConfig,
  NamespaceSelector,
  OutboundMode,
  PathNormalization,
} from './mesh-config.ts';
import { istioNamespace, meshConfigOf } from './mesh-document.ts';
import type { OutlierPolicy } from './outlier-detection.ts';
import type { ProxyOptions } from './proxy-options.ts';
import type { TlsDefaults } from './tls-defaults.ts';

/** Times are milliseconds. */
export interface MeshSettings {
  readonly outboundTrafficPolicy: OutboundPolicy;
  /** Whether applications are called at 127.0.0.1, and not at the address that a call was made to. */
  readonly callsLoopback: boolean;
  /** Of bytes that decide what a connection is; 0: none. */
  readonly protocolDetectionTimeoutMs: number;
  readonly trustDomain: string;
  /** Others whose workloads may call. */
  readonly trustDomainAliases: readonly string[];
  /** Policies in this namespace hold for the whole mesh. */
  readonly rootNamespace: string;
  readonly connectTimeoutMs: number;
  /** Of names of endpoints; undefined: by what their records say, as the proxy does it. */
  readonly dnsRefreshRateMs: number | undefined;
  /** Undefined: none is written. */
  readonly accessLog: AccessLogSettings | undefined;
  /** Whether callers use mutual TLS where nothing is said and the callee can. */
  readonly autoMtls: boolean;
  /** Of mutual TLS: 1.2 unless it is said to be more. */
  readonly leastTlsVersion: '1.2' | '1.3';
  /** Of mutual TLS 1.2; empty: the proxy's own. */
  readonly meshCipherSuites: readonly string[];
  /** Of TLS that is not the mesh's own. */
  readonly tlsDefaults: TlsDefaults;
  /** Of routes that say nothing; undefined: Istio's. */
  readonly defaultRetry: HttpRetry | undefined;
  readonly serviceExportTo: ExportTo;
  readonly virtualServiceExportTo: ExportTo;
  readonly destinationRuleExportTo: ExportTo;
  /** Empty: every namespace is of the mesh. */
  readonly discoverySelectors: readonly NamespaceSelector[];
  readonly pathNormalization: Exclude<PathNormalization, 'DEFAULT'>;
  /** Patterns of names in metrics; empty: that of the cluster. */
  readonly inboundStatName: string;
  readonly outboundStatName: string;
  /** Where a DestinationRule says nothing. */
  readonly localityLbSetting: LocalitySetting | undefined;
  readonly tcpKeepalive: TcpKeepalive | undefined;
  /** Whether services are spoken to in HTTP/2 where neither their port nor a DestinationRule says so. */
  readonly upgradesToHttp2: boolean;
  readonly connectionPool: ConnectionPoolPolicy | undefined;
  readonly outlierDetection: OutlierPolicy | undefined;
  /** How proxies run where nothing nearer says it. */
  readonly proxyOptions: ProxyOptions;
}

/** Where calls go that the mesh knows nothing of. */
export interface OutboundPolicy {
  readonly mode: OutboundMode;
  /** Absent: where they were made to. */
  readonly egressCluster?: string;
}

export interface AccessLogSettings {
  readonly file: string;
  /** Empty: Istio's. */
  readonly format: string;
  readonly encoding: AccessLogEncoding;
}

/** Where nobody says otherwise (Istio). */
export const CONNECT_TIMEOUT_MS = 10_000;

export function meshSettings(resources: readonly Resource[]): MeshSettings {
  const local = resources.find((one): one is LocalMesh => one.kind === 'LocalMesh');
  const config = meshConfigOf(resources);
  const { normalization = 'DEFAULT' } = config.pathNormalization ?? {};
  return {
    outboundTrafficPolicy:
      local?.outboundTrafficPolicy ??
      config.outboundTrafficPolicy ??
      defaultMeshSettings.outboundTrafficPolicy,
    callsLoopback: config.inboundTrafficPolicy?.mode === 'LOCALHOST',
    protocolDetectionTimeoutMs:
      local?.protocolDetectionTimeout ??
      config.protocolDetectionTimeout ??
      defaultMeshSettings.protocolDetectionTimeout,
    trustDomain: local?.trustDomain ?? config.trustDomain ?? defaultMeshSettings.trustDomain,
    trustDomainAliases: config.trustDomainAliases ?? [],
    rootNamespace: config.rootNamespace ?? istioNamespace,
    connectTimeoutMs: config.connectTimeout ?? CONNECT_TIMEOUT_MS,
    dnsRefreshRateMs: config.dnsRefreshRate,
    accessLog: accessLogOf(config),
    autoMtls: config.enableAutoMtls ?? true,
    leastTlsVersion: config.meshMTLS?.minProtocolVersion === 'TLSV1_3' ? '1.3' : '1.2',
    meshCipherSuites: config.meshMTLS?.cipherSuites ?? [],
    tlsDefaults: config.tlsDefaults ?? { minProtocolVersion: 'TLS_AUTO' },
    defaultRetry: config.defaultHttpRetryPolicy,
    serviceExportTo: said(config.defaultServiceExportTo),
    virtualServiceExportTo: said(config.defaultVirtualServiceExportTo),
    destinationRuleExportTo: said(config.defaultDestinationRuleExportTo),
    discoverySelectors: config.discoverySelectors ?? [],
    pathNormalization: normalization === 'DEFAULT' ? 'BASE' : normalization,
    inboundStatName: config.inboundClusterStatName ?? '',
    outboundStatName: config.outboundClusterStatName ?? '',
    localityLbSetting: config.localityLbSetting,
    tcpKeepalive: config.tcpKeepalive,
    upgradesToHttp2: config.h2UpgradePolicy === 'UPGRADE',
    connectionPool: config.defaultTrafficPolicy?.connectionPool,
    outlierDetection: config.defaultTrafficPolicy?.outlierDetection,
    proxyOptions: config.defaultConfig ?? {},
  };
}

function said(exportTo: ExportTo = []): ExportTo {
  return exportTo.length === 0 ? everywhere : exportTo;
}

function accessLogOf({
  accessLogFile: file = '',
  accessLogFormat: format = '',
  accessLogEncoding: encoding = 'TEXT',
}: MeshConfig): AccessLogSettings | undefined {
  return file === '' ? undefined : { file, format, encoding };
}
