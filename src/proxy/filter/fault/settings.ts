/** An `HTTPFault` message, of a listener or of a part of the route table, read once. */

import type { Random } from '#core/random.ts';
import type {
  FaultDelay,
  FaultRateLimit,
} from '#xds/gen/envoy/extensions/filters/common/fault/v3/fault_pb.js';
import type { FaultAbort, HTTPFault } from '#xds/gen/envoy/extensions/filters/http/fault/v3/fault_pb.js';
import { byteString, type Findings } from '../../findings.ts';
import { compileHeaderMatch, type HeaderMatch } from '../../route/header-match.ts';
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
}

const ABORT_BODY = 'fault filter abort';

export function readFault(config: HTTPFault, at: string, random: Random, findings: Findings): FaultSettings {
  for (const field of [
    'delay_percent_runtime',
    'abort_percent_runtime',
    'delay_duration_runtime',
    'abort_http_status_runtime',
    'max_active_faults_runtime',
    'response_rate_limit_percent_runtime',
    'abort_grpc_status_runtime',
  ] as const) {
    const key = field.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()) as keyof HTTPFault;
    if (config[key] !== '') findings.warn(`${at}.${field}`, 'has no effect: no runtime key is supported');
  }
  const { delay, abort, responseRateLimit: limit } = config;
  return {
    delay: delay && readDelay(delay, `${at}.delay`, random, findings),
    abort: abort && readAbort(abort, `${at}.abort`, random, findings),
    rateLimit: limit && readRateLimit(limit, `${at}.response_rate_limit`, random, findings),
    upstreamCluster: config.upstreamCluster,
    headers: config.headers.map((matcher, i) => compileHeaderMatch(matcher, `${at}.headers[${i}]`, findings)),
    downstreamNodes: new Set(config.downstreamNodes.map(byteString)),
    maxActive: config.maxActiveFaults ?? Number.POSITIVE_INFINITY,
    countsClusters: !config.disableDownstreamClusterStats,
    metadata: config.filterMetadata,
  };
}

function readDelay(delay: FaultDelay, at: string, random: Random, findings: Findings): Delay {
  const { faultDelaySecifier: specifier, percentage } = delay;
  if (specifier.case === undefined) findings.error(at, 'has neither fixed_delay nor header_delay');
  const fixedMs =
    specifier.case === 'fixedDelay' ? findings.durationMs(`${at}.fixed_delay`, specifier.value) : undefined;
  if (fixedMs === 0) findings.error(`${at}.fixed_delay`, 'must be more than 0');
  return { share: new Share(percentage, random), fixedMs };
}

function readAbort(abort: FaultAbort, at: string, random: Random, findings: Findings): Abort {
  const { errorType: type, percentage, responseBody } = abort;
  if (type.case === undefined) findings.error(at, 'has none of http_status, grpc_status and header_abort');
  const httpStatus = type.case === 'httpStatus' ? type.value : undefined;
  if (httpStatus !== undefined && (httpStatus < 200 || httpStatus > 599))
    findings.error(`${at}.http_status`, 'must be from 200 to 599');
  return {
    share: new Share(percentage, random),
    httpStatus,
    grpcStatus: type.case === 'grpcStatus' ? type.value : undefined,
    body: responseBody === '' ? ABORT_BODY : byteString(responseBody),
  };
}

function readRateLimit(limit: FaultRateLimit, at: string, random: Random, findings: Findings): RateLimit {
  const { limitType: type, percentage } = limit;
  if (type.case === undefined) findings.error(at, 'has neither fixed_limit nor header_limit');
  const kbps = type.case === 'fixedLimit' ? Number(type.value.limitKbps) : undefined;
  if (kbps === 0) findings.error(`${at}.fixed_limit.limit_kbps`, 'must be at least 1');
  return { share: new Share(percentage, random), kbps };
}
