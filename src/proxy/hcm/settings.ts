/** An `HttpConnectionManager` message, read once. */
import { defaultLimits } from '#http/codec/h1/decoder.ts';
import type { RequestRules } from '#http/codec/h1/request-decoder.ts';
import type { H2Options } from '#http/codec/h2/options.ts';
import {
  type Http1ProtocolOptions,
  HttpProtocolOptions_HeadersWithUnderscoresAction as Underscores,
} from '#xds/gen/envoy/config/core/v3/protocol_pb.js';
import { RouterSchema } from '#xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  HttpConnectionManager_CodecType as Codec,
  HttpConnectionManager_ForwardClientCertDetails as Forward,
  type HttpConnectionManager,
  HttpConnectionManager_ServerHeaderTransformation as Server,
  HttpConnectionManager_PathWithEscapedSlashesAction as Slashes,
} from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { CataloguedFilter, Direction, FilterDeps, LocalReply } from '../filter/contract.ts';
import { byteString, type Findings, typeNameOf } from '../findings.ts';
import { readHeaderCase } from '../http1/header-case.ts';
import { readHttp2Options } from '../http2/protocol-options.ts';
import { readJitter } from '../jitter.ts';
import { replyTo } from '../reply.ts';
import { readWanted, type Wanted } from '../resource-source.ts';
import { textMatcher } from '../route/header-match.ts';
import { compileRoutes, type RouteTable } from '../route/table.ts';
import { type LogTarget, readAccessLogs } from './access-log-settings.ts';
import type { ClientCertRules } from './client-cert.ts';
import { createCoder } from './create-coder.ts';
import { readDiscoveredFilter } from './discovered-filter.ts';
import type { ChainFilter } from './filter-hooks.ts';
import { type HeadRules, readHeadRules } from './head-settings.ts';
import { type LocalReplyRules, readLocalReply } from './local-reply.ts';
import type { PathRules } from './path-normal.ts';
import { type RouterSettings, readRouter } from './router-settings.ts';
import { refuseUnsupported } from './unsupported.ts';

export interface HcmSettings {
  readonly statPrefix: string;
  /** The RouteConfiguration to be had by RDS; undefined where it is `inlineRoutes`. */
  readonly routes: Wanted | undefined;
  readonly inlineRoutes: RouteTable | undefined;
  readonly filters: readonly ChainFilter[];
  readonly router: RouterSettings;
  readonly logs: readonly LogTarget[];
  readonly localReply: LocalReplyRules | undefined;
  readonly codec: 'auto' | 'http1' | 'http2';
  /** Of HTTP/1 requests: over TLS, and in the clear. */
  readonly requests: RequestRules;
  readonly plainRequests: RequestRules;
  readonly http2: H2Options;
  /** Whether HTTP/1 responses have names `Like-This`. */
  readonly properCase: boolean;
  readonly serverName: string;
  readonly serverHeader: 'overwrite' | 'if-absent' | 'pass-through';
  readonly via: string;
  readonly head: HeadRules;
  readonly clientCert: ClientCertRules;
  readonly proxy100Continue: boolean;
  /** Upgrade types allowed or not, lower case (`websocket`, `connect`). */
  readonly upgrades: ReadonlyMap<string, boolean>;
  /** Undefined where paths stay as they are. */
  readonly pathRules: PathRules | undefined;
  readonly stripPort: 'none' | 'matching' | 'any';
  readonly stripTrailingDot: boolean;
  readonly defaultHostForHttp10: string;
  readonly underscores: 'allow' | 'reject' | 'drop';
  /** 0 disables each of these. */
  readonly streamIdleTimeoutMs: number;
  readonly requestTimeoutMs: number;
  readonly requestHeadersTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly delayedCloseMs: number;
  /** Between the announcement of the end of an HTTP/2 connection and the end of new streams on it. */
  readonly drainTimeoutMs: number;
  /** By which part of it that time may be longer, 0 to 1; likewise below. */
  readonly drainJitter: number;
  readonly maxStreamDurationMs: number;
  readonly maxConnectionDurationMs: number;
  readonly durationJitter: number;
  /** Whether an HTTP/1 connection goes on after a request that is refused as broken, and yet ended. */
  readonly keepsBroken: boolean;
  /** Of a proxy that takes no requests. */
  readonly overloadReply: LocalReply;
  /** Whether an HTTP/1 connection that has lasted long enough ends with a response only. */
  readonly safeDuration: boolean;
  readonly maxRequestsPerConnection: number;
  readonly direction: Direction;
  /** Bytes of a message that a filter may hold, unless it says otherwise. */
  readonly bufferLimitBytes: number;
}

/** Envoy's defaults. */
const STREAM_IDLE_MS = 5 * 60 * 1000;
const IDLE_MS = 60 * 60 * 1000;
const DELAYED_CLOSE_MS = 1000;
const DRAIN_MS = 5000;
const STREAM_BUFFER_BYTES = 1024 * 1024;

export interface HcmContext {
  readonly deps: DataPathDeps;
  readonly direction: Direction;
  /** Of the listener. */
  readonly bufferLimitBytes: number;
  readonly path: string;
}

export function readHcm(hcm: HttpConnectionManager, context: HcmContext, findings: Findings): HcmSettings {
  const { path: at, direction } = context;
  if (hcm.statPrefix === '') findings.error(`${at}.stat_prefix`, 'is missing');
  refuseUnsupported(hcm, at, findings);
  const common = hcm.commonHttpProtocolOptions;
  const h1 = hcm.httpProtocolOptions;
  const ms = (name: string, duration: Parameters<Findings['durationMs']>[1], otherwise: number): number =>
    findings.durationMs(`${at}.${name}`, duration) ?? otherwise;
  const { filters, router } = readFilters(hcm, context, findings);
  const { inlineRoutes, routes } = readRoutes(hcm, at, context.deps, findings);
  const headerCase = readHeaderCase(h1, `${at}.http_protocol_options`, findings);
  const underscores =
    common?.headersWithUnderscoresAction === Underscores.REJECT_REQUEST
      ? 'reject'
      : common?.headersWithUnderscoresAction === Underscores.DROP_HEADER
        ? 'drop'
        : 'allow';
  const requests: RequestRules = {
    keepCase: headerCase === 'preserve',
    maxHeadBytes: (hcm.maxRequestHeadersKb ?? defaultLimits.maxHeadBytes / 1024) * 1024,
    maxFields: common?.maxHeadersCount ?? defaultLimits.maxFields,
    wantsTrailers: h1?.enableTrailers ?? false,
    takesHttp10: h1?.acceptHttp10 ?? false,
    takesAnyMethod: h1?.allowCustomMethods ?? false,
    allowsChunkedLength: h1?.allowChunkedLength ?? false,
    keepsUrl: h1?.allowAbsoluteUrl === false,
    ignoresUpgrade: readIgnoredUpgrades(h1, `${at}.http_protocol_options`, findings),
    underscores,
  };
  const streamIdleTimeoutMs = ms('stream_idle_timeout', hcm.streamIdleTimeout, STREAM_IDLE_MS);
  const logs = readAccessLogs(hcm.accessLog, `${at}.access_log`, findings, context.deps);
  return {
    statPrefix: hcm.statPrefix,
    routes,
    inlineRoutes,
    filters,
    router,
    logs,
    localReply: readLocalReply(hcm.localReplyConfig, `${at}.local_reply_config`, context.deps, findings),
    codec: codecs[hcm.codecType] ?? 'auto',
    requests,
    plainRequests: {
      ...requests,
      refusesHttps: (hcm.useRemoteAddress ?? false) && hcm.xffNumTrustedHops === 0,
    },
    properCase: headerCase === 'proper',
    http2: readHttp2Options(
      hcm.http2ProtocolOptions,
      {
        maxHeaderListBytes: requests.maxHeadBytes,
        maxHeaderFields: requests.maxFields,
        streamBufferBytes: STREAM_BUFFER_BYTES,
        streamFlushTimeoutMs: ms('stream_flush_timeout', hcm.streamFlushTimeout, streamIdleTimeoutMs),
        streamErrors: hcm.streamErrorOnInvalidHttpMessage ?? false,
      },
      `${at}.http2_protocol_options`,
      findings,
    ),
    serverName: byteString(hcm.serverName === '' ? 'envoy' : hcm.serverName),
    serverHeader:
      hcm.serverHeaderTransformation === Server.PASS_THROUGH
        ? 'pass-through'
        : hcm.serverHeaderTransformation === Server.APPEND_IF_ABSENT
          ? 'if-absent'
          : 'overwrite',
    via: byteString(hcm.via),
    head: readHeadRules(hcm, at, context.deps, findings),
    clientCert: readClientCert(hcm),
    proxy100Continue: hcm.proxy100Continue,
    upgrades: readUpgrades(hcm, at, findings),
    pathRules: readPathRules(hcm),
    stripPort:
      hcm.stripPortMode.case === 'stripAnyHostPort' && hcm.stripPortMode.value
        ? 'any'
        : hcm.stripMatchingHostPort
          ? 'matching'
          : 'none',
    stripTrailingDot: hcm.stripTrailingHostDot,
    defaultHostForHttp10: h1?.defaultHostForHttp10 ?? '',
    underscores,
    streamIdleTimeoutMs,
    requestTimeoutMs: ms('request_timeout', hcm.requestTimeout, 0),
    requestHeadersTimeoutMs: ms('request_headers_timeout', hcm.requestHeadersTimeout, 0),
    idleTimeoutMs: ms('common_http_protocol_options.idle_timeout', common?.idleTimeout, IDLE_MS),
    drainTimeoutMs: ms('drain_timeout', hcm.drainTimeout, DRAIN_MS),
    drainJitter: readJitter(hcm.drainTimeoutJitter, `${at}.drain_timeout_jitter`, findings),
    delayedCloseMs: ms('delayed_close_timeout', hcm.delayedCloseTimeout, DELAYED_CLOSE_MS),
    maxStreamDurationMs: ms('common_http_protocol_options.max_stream_duration', common?.maxStreamDuration, 0),
    maxConnectionDurationMs: ms(
      'common_http_protocol_options.max_connection_duration',
      common?.maxConnectionDuration,
      0,
    ),
    durationJitter: readJitter(
      common?.maxConnectionDurationJitter,
      `${at}.common_http_protocol_options.max_connection_duration_jitter`,
      findings,
    ),
    keepsBroken: h1?.overrideStreamErrorOnInvalidHttpMessage ?? hcm.streamErrorOnInvalidHttpMessage ?? false,
    overloadReply: hcm.appendLocalOverload
      ? { ...replyTo('PROXY_OVERLOADED'), headers: ['x-envoy-local-overloaded', 'true'] }
      : replyTo('PROXY_OVERLOADED'),
    safeDuration: hcm.http1SafeMaxConnectionDuration,
    maxRequestsPerConnection: common?.maxRequestsPerConnection ?? 0,
    direction,
    bufferLimitBytes: context.bufferLimitBytes,
  };
}

const codecs: Readonly<Record<number, HcmSettings['codec']>> = {
  [Codec.AUTO]: 'auto',
  [Codec.HTTP1]: 'http1',
  [Codec.HTTP2]: 'http2',
};

/** As a part of one. */
/** Undefined where every upgrade is heard. */
function readIgnoredUpgrades(
  options: Http1ProtocolOptions | undefined,
  at: string,
  findings: Findings,
): ((value: string) => boolean) | undefined {
  const matchers = (options?.ignoreHttp11Upgrade ?? []).map((matcher, i) =>
    textMatcher(matcher, `${at}.ignore_http_11_upgrade[${i}]`, findings),
  );
  return matchers.length === 0 ? undefined : (value) => matchers.some((matches) => matches(value));
}

function readFilters(
  hcm: HttpConnectionManager,
  { deps, direction, path: at }: HcmContext,
  findings: Findings,
): { filters: ChainFilter[]; router: RouterSettings } {
  const filters: ChainFilter[] = [];
  let router: RouterSettings = { suppressEnvoyHeaders: false, respectExpectedTimeout: false };
  let hasRouter = false;
  const knownAs = (typeName: string): CataloguedFilter | undefined =>
    deps.filters.find((entry) => entry.typeName === typeName);
  const depsOf = (name: string): FilterDeps => {
    const { metrics, clock, random, log, buckets, nodeCluster, runtime, hostCache } = deps;
    return {
      ...{ metrics, clock, random, log, buckets, nodeCluster, direction, name },
      ...(runtime !== undefined && { runtime }),
      ...(hostCache !== undefined && { hostCache }),
      statPrefix: hcm.statPrefix,
      slot: filters.length,
      createCoder,
    };
  };
  hcm.httpFilters.forEach((filter, i) => {
    const path = `${at}.http_filters[${i}]`;
    if (filter.configType.case === 'configDiscovery') {
      const own = depsOf(filter.name);
      const discovered = readDiscoveredFilter(
        filter.name,
        filter.configType.value,
        `${path}.config_discovery`,
        {
          isKnown: (typeName) => knownAs(typeName) !== undefined,
          load: (config, at) => knownAs(typeNameOf(config))!.load(config, at, own),
        },
        findings,
      );
      if (discovered === undefined) return;
      const { name, disabled } = filter;
      filters.push({ name, disabled, filter: discovered.fallback, discovered });
      return;
    }
    const any = filter.configType.value;
    const typeName = typeNameOf(any);
    const last = i === hcm.httpFilters.length - 1;
    if (typeName === RouterSchema.typeName) {
      const config = findings.unpack(`${path}.typed_config`, any, RouterSchema);
      if (!last) findings.error(path, 'the router must be the last filter');
      if (filter.disabled) findings.error(`${path}.disabled`, 'the router cannot be disabled');
      hasRouter = true;
      router = readRouter(config, `${path}.typed_config`, findings);
      return;
    }
    const known = knownAs(typeName);
    if (known === undefined || any === undefined) {
      if (filter.isOptional)
        findings.warn(path, `filter ${any?.typeUrl ?? filter.name} is not known and optional: left out`);
      else findings.error(path, `filter ${any?.typeUrl ?? filter.name} is not supported`);
      return;
    }
    const loaded = known.load(any, `${path}.typed_config`, depsOf(filter.name));
    findings.problems.push(...loaded.problems);
    if (loaded.ok) filters.push({ name: filter.name, disabled: filter.disabled, filter: loaded.value });
  });
  if (!hasRouter) findings.error(`${at}.http_filters`, 'the last filter must be envoy.filters.http.router');
  return { filters, router };
}

function readRoutes(
  hcm: HttpConnectionManager,
  at: string,
  deps: DataPathDeps,
  findings: Findings,
): { inlineRoutes: RouteTable | undefined; routes: Wanted | undefined } {
  const { routeSpecifier } = hcm;
  if (routeSpecifier.case === 'rds') {
    if (routeSpecifier.value.routeConfigName === '')
      findings.error(`${at}.rds.route_config_name`, 'is missing');
    const { routeConfigName, configSource } = routeSpecifier.value;
    const routes = readWanted(routeConfigName, configSource, `${at}.rds.config_source`, findings);
    return { inlineRoutes: undefined, routes: { ...routes, countedBy: hcm.statPrefix } };
  }
  if (routeSpecifier.case === undefined) {
    findings.error(at, 'has neither rds nor route_config');
    return { inlineRoutes: undefined, routes: undefined };
  }
  const compiled = compileRoutes(routeSpecifier.value, { filters: deps.filters, deps });
  findings.problems.push(
    ...compiled.problems.map((problem) => ({ ...problem, path: `${at}.route_config.${problem.path ?? ''}` })),
  );
  if (routeSpecifier.value.vhds !== undefined)
    findings.error(`${at}.route_config.vhds`, 'belongs to routes that come by rds');
  return { inlineRoutes: compiled.ok ? compiled.value : undefined, routes: undefined };
}

function readClientCert(hcm: HttpConnectionManager): ClientCertRules {
  const forward = {
    [Forward.SANITIZE]: 'sanitize',
    [Forward.FORWARD_ONLY]: 'forward-only',
    [Forward.APPEND_FORWARD]: 'append-forward',
    [Forward.SANITIZE_SET]: 'sanitize-set',
    [Forward.ALWAYS_FORWARD_ONLY]: 'always-forward-only',
  } as const;
  const details = hcm.setCurrentClientCertDetails;
  return {
    forward: forward[hcm.forwardClientCertDetails] ?? 'sanitize',
    subject: details?.subject ?? false,
    cert: details?.cert ?? false,
    chain: details?.chain ?? false,
    dns: details?.dns ?? false,
    uri: details?.uri ?? false,
    issuer: details?.issuer ?? false,
  };
}

function readUpgrades(hcm: HttpConnectionManager, at: string, findings: Findings): Map<string, boolean> {
  const upgrades = new Map<string, boolean>();
  hcm.upgradeConfigs.forEach((upgrade, i) => {
    const path = `${at}.upgrade_configs[${i}]`;
    findings.refuse(`${path}.filters`, upgrade.filters.length > 0);
    const type = upgrade.upgradeType.toLowerCase();
    if (upgrades.has(type)) findings.error(`${path}.upgrade_type`, `"${upgrade.upgradeType}" is there twice`);
    upgrades.set(type, upgrade.enabled ?? true);
  });
  return upgrades;
}

function readPathRules(hcm: HttpConnectionManager): PathRules | undefined {
  const slashes = {
    [Slashes.IMPLEMENTATION_SPECIFIC_DEFAULT]: 'keep',
    [Slashes.KEEP_UNCHANGED]: 'keep',
    [Slashes.REJECT_REQUEST]: 'reject',
    [Slashes.UNESCAPE_AND_REDIRECT]: 'redirect',
    [Slashes.UNESCAPE_AND_FORWARD]: 'forward',
  } as const;
  const rules: PathRules = {
    normalize: hcm.normalizePath ?? false,
    mergeSlashes: hcm.mergeSlashes,
    escapedSlashes: slashes[hcm.pathWithEscapedSlashesAction] ?? 'keep',
  };
  return rules.normalize || rules.mergeSlashes || rules.escapedSlashes !== 'keep' ? rules : undefined;
}
