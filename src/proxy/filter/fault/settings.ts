/** An `HTTPFault` message, of a listener or of a part of the route table, read once. */

import type { Random } from '#core/random.ts';
import type {
  FaultDelay,
  FaultRateLimit,
} from '#xds/gen/envoy/extensions/filters/common/fault/v3/fault_pb.js';
import type { FaultAbort, HTTPFault } from '#xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { byteString, type Findings } from '../../findings.ts';
import { compileHeaderMatch, type HeaderMatch } from '../../route/header-match.ts';
import type { RuntimeValues } from '../../runtime/values.ts';
import type { MetadataValue } from '../contract.ts';
import { Share } from '../share.ts';

interface Delay {
  readonly share: Share;
  /** Undefined where the request says it. */
  readonly fixedMs: number | undefined;
}

interface Abort {
  readonly share: Share;
  /** Both undefined where the request says it. */
  readonly httpStatus: number | undefined;
  readonly grpcStatus: number | undefined;
  /** A byte string. */
  readonly body: string;
}

interface RateLimit {
  readonly share: Share;
  /** KiB in a second; undefined where the request says it. */
  readonly kbps: number | undefined;
}

/** What reading needs. */
export interface FaultDeps {
  readonly random: Random;
  readonly runtime?: RuntimeValues;
}

export interface FaultSettings {
  readonly delay: Delay | undefined;
  readonly abort: Abort | undefined;
  readonly rateLimit: RateLimit | undefined;
  /** '' for every cluster. */
  readonly upstreamCluster: string;
  readonly headers: readonly HeaderMatch[];
  /** Empty for every node. */
  readonly downstreamNodes: ReadonlySet<string>;
  readonly maxActive: number;
  readonly countsClusters: boolean;
  readonly metadata: Readonly<Record<string, MetadataValue>> | undefined;
  readonly keys: FaultKeys;
}

/** Of the runtime. */
export interface FaultKeys {
  readonly delayPercent: string;
  readonly delayMs: string;
  readonly abortPercent: string;
  readonly httpStatus: string;
  readonly grpcStatus: string;
  readonly ratePercent: string;
  readonly maxActive: string;
}

/** Envoy's, below `fault.http.` and below that for each calling cluster. */
const ownKeys: FaultKeys = {
  delayPercent: 'delay.fixed_delay_percent',
  delayMs: 'delay.fixed_duration_ms',
  abortPercent: 'abort.abort_percent',
  httpStatus: 'abort.http_status',
  grpcStatus: 'abort.grpc_status',
  ratePercent: 'rate_limit.response_percent',
  maxActive: 'max_active_faults',
};

function readKeys(config: HTTPFault): FaultKeys {
  const key = (given: string, own: string): string => given || `fault.http.${own}`;
  return {
    delayPercent: key(config.delayPercentRuntime, ownKeys.delayPercent),
    delayMs: key(config.delayDurationRuntime, ownKeys.delayMs),
    abortPercent: key(config.abortPercentRuntime, ownKeys.abortPercent),
    httpStatus: key(config.abortHttpStatusRuntime, ownKeys.httpStatus),
    grpcStatus: key(config.abortGrpcStatusRuntime, ownKeys.grpcStatus),
    ratePercent: key(config.responseRateLimitPercentRuntime, ownKeys.ratePercent),
    maxActive: key(config.maxActiveFaultsRuntime, ownKeys.maxActive),
  };
}

/** What is said of requests of one calling cluster. */
export function keyOfCaller(caller: string, key: keyof FaultKeys): string {
  return `fault.http.${caller}.${ownKeys[key]}`;
}

const ABORT_BODY = 'fault filter abort';

export function readFault(config: HTTPFault, at: string, deps: FaultDeps, findings: Findings): FaultSettings {
  const { delay, abort, responseRateLimit: limit } = config;
  return {
    delay: delay && readDelay(delay, `${at}.delay`, deps, findings),
    abort: abort && readAbort(abort, `${at}.abort`, deps, findings),
    rateLimit: limit && readRateLimit(limit, `${at}.response_rate_limit`, deps, findings),
    upstreamCluster: config.upstreamCluster,
    headers: config.headers.map((matcher, i) => compileHeaderMatch(matcher, `${at}.headers[${i}]`, findings)),
    downstreamNodes: new Set(config.downstreamNodes.map(byteString)),
    maxActive: config.maxActiveFaults ?? Number.POSITIVE_INFINITY,
    countsClusters: !config.disableDownstreamClusterStats,
    metadata: config.filterMetadata,
    keys: readKeys(config),
  };
}

function readDelay(delay: FaultDelay, at: string, deps: FaultDeps, findings: Findings): Delay {
  const { faultDelaySecifier: specifier, percentage } = delay;
  if (specifier.case === undefined) findings.error(at, 'has neither fixed_delay nor header_delay');
  const fixedMs =
    specifier.case === 'fixedDelay' ? findings.durationMs(`${at}.fixed_delay`, specifier.value) : undefined;
  if (fixedMs === 0) findings.error(`${at}.fixed_delay`, 'must be more than 0');
  return { share: new Share(percentage, deps.random, '', deps.runtime), fixedMs };
}

function readAbort(abort: FaultAbort, at: string, deps: FaultDeps, findings: Findings): Abort {
  const { errorType: type, percentage, responseBody } = abort;
  if (type.case === undefined) findings.error(at, 'has none of http_status, grpc_status and header_abort');
  const httpStatus = type.case === 'httpStatus' ? type.value : undefined;
  if (httpStatus !== undefined && (httpStatus < 200 || httpStatus > 599))
    findings.error(`${at}.http_status`, 'must be from 200 to 599');
  return {
    share: new Share(percentage, deps.random, '', deps.runtime),
    httpStatus,
    grpcStatus: type.case === 'grpcStatus' ? type.value : undefined,
    body: responseBody === '' ? ABORT_BODY : byteString(responseBody),
  };
}

function readRateLimit(limit: FaultRateLimit, at: string, deps: FaultDeps, findings: Findings): RateLimit {
  const { limitType: type, percentage } = limit;
  if (type.case === undefined) findings.error(at, 'has neither fixed_limit nor header_limit');
  const kbps = type.case === 'fixedLimit' ? Number(type.value.limitKbps) : undefined;
  if (kbps === 0) findings.error(`${at}.fixed_limit.limit_kbps`, 'must be at least 1');
  return { share: new Share(percentage, deps.random, '', deps.runtime), kbps };
}
