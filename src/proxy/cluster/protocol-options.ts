/** Which version of HTTP a cluster speaks, and its connections' limits (Envoy, `HttpProtocolOptions`). */
import { type DecoderLimits, defaultLimits } from '#http/codec/h1/decoder.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type {
  HttpProtocolOptions as CommonOptions,
  Http1ProtocolOptions,
  Http2ProtocolOptions,
} from '#xds/gen/envoy/config/core/v3/protocol_pb.js';
import {
  type HttpProtocolOptions,
  HttpProtocolOptionsSchema,
} from '#xds/gen/envoy/extensions/upstreams/http/v3/http_protocol_options_pb.js';
import { unpackAny } from '#xds/registry.ts';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { Findings } from '../findings.ts';
import { readHeaderCase } from '../http1/header-case.ts';
import { readHttp2Options } from '../http2/protocol-options.ts';
import { readJitter } from '../jitter.ts';
import { readKeepAlive } from '../keep-alive.ts';
import { type HappyEyeballs, plainHappyEyeballs } from '../pool/happy-eyeballs.ts';
import { noPreconnect, type Preconnect } from '../pool/preconnect.ts';
import type { AutoName, PoolSettings, UpstreamProtocol } from '../pool/settings.ts';
import { bindingToApplication, readUpstreamBinding, type UpstreamBinding } from '../pool/upstream-binding.ts';
import { compileMirrors, type MirrorPolicy, noMirrors } from '../route/mirror-policy.ts';
import type { RuntimeValues } from '../runtime/values.ts';
import { sharedSettings } from './shared-settings.ts';

/** Envoy's defaults. */
const CONNECT_TIMEOUT_MS = 5000;
const IDLE_TIMEOUT_MS = 60 * 60 * 1000;
const BUFFER_LIMIT_BYTES = 1024 * 1024;
const STREAM_FLUSH_MS = 5 * 60 * 1000;

/** How the names of clusters begin that lead to the application beside a sidecar (Istio). */
const TO_APPLICATION = 'inbound|';

const EXTENSION = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';

interface Chosen {
  readonly protocol: UpstreamProtocol;
  readonly common: CommonOptions | undefined;
  readonly commonPath: string;
  readonly http1: Http1ProtocolOptions | undefined;
  readonly http1Path: string;
  readonly http2: Http2ProtocolOptions | undefined;
  readonly http2Path: string;
  readonly autoName: AutoName | undefined;
}

type BindingDeps = Pick<DataPathDeps, 'openSocket' | 'openApplicationSocket' | 'upstreamBindConfig'>;

export function readPool(cluster: Cluster, deps: BindingDeps, findings: Findings): PoolSettings {
  const {
    protocol,
    common,
    commonPath: at,
    http1,
    http1Path,
    http2,
    http2Path,
    autoName,
  } = choose(cluster, findings);
  findings.refuse(`${at}.headers_with_underscores_action`, (common?.headersWithUnderscoresAction ?? 0) !== 0);
  const headerCase = readHeaderCase(http1, http1Path, findings);
  const limits: DecoderLimits = {
    keepCase: headerCase === 'preserve',
    maxHeadBytes: (common?.maxResponseHeadersKb ?? defaultLimits.maxHeadBytes / 1024) * 1024,
    maxFields: common?.maxHeadersCount ?? defaultLimits.maxFields,
  };
  const pool: PoolSettings = {
    protocol,
    autoName,
    connectTimeoutMs: findings.durationMs('connect_timeout', cluster.connectTimeout) ?? CONNECT_TIMEOUT_MS,
    keepAlive: readKeepAlive(
      cluster.upstreamConnectionOptions?.tcpKeepalive,
      'upstream_connection_options.tcp_keepalive',
      findings,
    ),
    binding: readBinding(cluster, deps, findings),
    happyEyeballs: readHappyEyeballs(cluster, findings),
    idleTimeoutMs: findings.durationMs(`${at}.idle_timeout`, common?.idleTimeout) ?? IDLE_TIMEOUT_MS,
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? cluster.maxRequestsPerConnection ?? 0,
    maxConnectionDurationMs:
      findings.durationMs(`${at}.max_connection_duration`, common?.maxConnectionDuration) ?? 0,
    maxStreamDurationMs: findings.durationMs(`${at}.max_stream_duration`, common?.maxStreamDuration) ?? 0,
    preconnect: readPreconnect(cluster, findings),
    durationJitter: readJitter(
      common?.maxConnectionDurationJitter,
      `${at}.max_connection_duration_jitter`,
      findings,
    ),
    perDownstream: cluster.connectionPoolPerDownstreamConnection,
    limits,
    properCase: headerCase === 'proper',
    sendsTrailers: http1?.enableTrailers ?? false,
    http2: sharedSettings(
      readHttp2Options(
        http2,
        {
          maxHeaderListBytes: limits.maxHeadBytes,
          maxHeaderFields: limits.maxFields,
          streamBufferBytes: cluster.perConnectionBufferLimitBytes ?? BUFFER_LIMIT_BYTES,
          streamFlushTimeoutMs: STREAM_FLUSH_MS,
          streamErrors: false,
        },
        http2Path,
        findings,
      ),
    ),
  };
  return pool.binding === undefined ? sharedSettings(pool) : pool;
}

const families: readonly HappyEyeballs['family'][] = [undefined, 4, 6];

function readHappyEyeballs({ upstreamConnectionOptions: of }: Cluster, findings: Findings): HappyEyeballs {
  const path = 'upstream_connection_options.happy_eyeballs_config';
  const config = of?.happyEyeballsConfig;
  if (config === undefined) return plainHappyEyeballs;
  const { firstAddressFamilyVersion: version, firstAddressFamilyCount: count = 1 } = config;
  if (version >= families.length)
    findings.error(
      `${path}.first_address_family_version`,
      `${version} is not supported: say DEFAULT, V4 or V6`,
    );
  if (count < 1) findings.error(`${path}.first_address_family_count`, 'must be 1 or more');
  return { family: families[version], count };
}

const MOST_PRECONNECT = 3;

function readPreconnect({ preconnectPolicy: policy }: Cluster, findings: Findings): Preconnect {
  if (policy === undefined) return noPreconnect;
  const { perUpstreamPreconnectRatio: perUpstream = 1, predictivePreconnectRatio: predictive = 1 } = policy;
  const ratios = { per_upstream_preconnect_ratio: perUpstream, predictive_preconnect_ratio: predictive };
  for (const [field, ratio] of Object.entries(ratios)) {
    if (!(ratio >= 1 && ratio <= MOST_PRECONNECT))
      findings.error(`preconnect_policy.${field}`, `must be from 1 to ${MOST_PRECONNECT}`);
  }
  return { perUpstream, predictive };
}

function readBinding(
  { name, upstreamBindConfig }: Cluster,
  deps: BindingDeps,
  findings: Findings,
): UpstreamBinding | undefined {
  if (deps.openApplicationSocket !== undefined && name.startsWith(TO_APPLICATION))
    return bindingToApplication(deps.openApplicationSocket);
  const config = upstreamBindConfig ?? deps.upstreamBindConfig;
  return readUpstreamBinding(config, 'upstream_bind_config', deps, findings);
}

function choose(cluster: Cluster, findings: Findings): Chosen {
  let chosen: Chosen = {
    protocol: cluster.http2ProtocolOptions === undefined ? 'http1' : 'http2',
    common: cluster.commonHttpProtocolOptions,
    commonPath: 'common_http_protocol_options',
    http1: undefined,
    http1Path: '',
    http2: cluster.http2ProtocolOptions,
    http2Path: 'http2_protocol_options',
    autoName: undefined,
  };
  for (const [key, any] of Object.entries(cluster.typedExtensionProtocolOptions)) {
    const path = `typed_extension_protocol_options[${key}]`;
    if (key !== EXTENSION) {
      findings.error(path, 'is not supported');
      continue;
    }
    const options = findings.unpack(path, any, HttpProtocolOptionsSchema);
    if (options !== undefined) chosen = chooseFrom(options, path, findings);
  }
  return chosen;
}

/** Those of the cluster itself. */
export function readMirrors(
  cluster: Cluster,
  runtime: RuntimeValues,
  findings: Findings,
): readonly MirrorPolicy[] {
  const any = cluster.typedExtensionProtocolOptions[EXTENSION];
  if (any === undefined) return noMirrors;
  const unpacked = unpackAny(any);
  // What cannot be read has been told of.
  if (!unpacked.ok || unpacked.schema.typeName !== HttpProtocolOptionsSchema.typeName) return noMirrors;
  const { requestMirrorPolicies } = unpacked.message as HttpProtocolOptions;
  const path = `typed_extension_protocol_options[${EXTENSION}].`;
  return compileMirrors(requestMirrorPolicies, noMirrors, path, runtime, findings);
}

function autoNameOf({ upstreamHttpProtocolOptions: of }: HttpProtocolOptions): AutoName | undefined {
  if (of === undefined || !(of.autoSni || of.autoSanValidation)) return undefined;
  return {
    header: of.overrideAutoSniHeader.toLowerCase(),
    sends: of.autoSni,
    verifies: of.autoSanValidation,
  };
}

function chooseFrom(options: HttpProtocolOptions, path: string, findings: Findings): Chosen {
  const { upstreamProtocolOptions: choice } = options;
  const base = {
    common: options.commonHttpProtocolOptions,
    commonPath: `${path}.common_http_protocol_options`,
    autoName: autoNameOf(options),
  };
  switch (choice.case) {
    case 'explicitHttpConfig': {
      const { protocolConfig } = choice.value;
      const isHttp2 = protocolConfig.case === 'http2ProtocolOptions';
      return {
        ...base,
        protocol: isHttp2 ? 'http2' : 'http1',
        http1: protocolConfig.case === 'httpProtocolOptions' ? protocolConfig.value : undefined,
        http1Path: `${path}.explicit_http_config.http_protocol_options`,
        http2: isHttp2 ? protocolConfig.value : undefined,
        http2Path: `${path}.explicit_http_config.http2_protocol_options`,
      };
    }
    case 'autoConfig':
    case 'useDownstreamProtocolConfig': {
      const isAuto = choice.case === 'autoConfig';
      const name = isAuto ? 'auto_config' : 'use_downstream_protocol_config';
      return {
        ...base,
        protocol: isAuto ? 'auto' : 'downstream',
        http1: choice.value.httpProtocolOptions,
        http1Path: `${path}.${name}.http_protocol_options`,
        http2: choice.value.http2ProtocolOptions,
        http2Path: `${path}.${name}.http2_protocol_options`,
      };
    }
    default:
      findings.error(
        `${path}.upstream_protocol_options`,
        'is missing: say explicit_http_config, auto_config or use_downstream_protocol_config',
      );
      return {
        ...base,
        protocol: 'http1',
        http1: undefined,
        http1Path: path,
        http2: undefined,
        http2Path: path,
      };
  }
}
