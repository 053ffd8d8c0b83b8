/** A `LocalRateLimit` message, of a listener or of a part of the route table, read once. */
import type { Random } from '#core/random.ts';
import type { Counter } from '#observe/metrics-contract.ts';
import type { LocalRateLimitDescriptor } from '#xds/gen/envoy/extensions/common/ratelimit/v3/ratelimit_pb.js';
import type { LocalRateLimit } from '#xds/gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import type { TokenBucket as BucketMessage } from '#xds/gen/envoy/type/v3/token_bucket_pb.js';
import { byteString, type Findings } from '../../findings.ts';
import type { RouteFilterDeps } from '../../route/filter-config.ts';
import { compileMutation, type HeaderMutation } from '../../route/header-mutation.ts';
import { readShare, type Share } from '../share.ts';
import { type DescriptorMaker, readMaker, textOf } from './descriptor.ts';
import { TokenBucket } from './token-bucket.ts';

interface LimitStats {
  readonly enabled: Counter;
  readonly enforced: Counter;
  readonly rateLimited: Counter;
  readonly ok: Counter;
}

export interface RateLimitSettings {
  readonly stats: LimitStats;
  readonly status: number;
  /** To gRPC; undefined: what stands for the status. */
  readonly grpcStatus: number | undefined;
  /** Of all; undefined where only some requests are limited. */
  readonly bucket: TokenBucket | undefined;
  /** By the texts of descriptors. */
  readonly buckets: ReadonlyMap<string, TokenBucket>;
  readonly makers: readonly DescriptorMaker[];
  readonly alwaysTakesFromAll: boolean;
  readonly enabled: Share | undefined;
  readonly enforced: Share | undefined;
  readonly requestHeaders: HeaderMutation | undefined;
  readonly responseHeaders: HeaderMutation | undefined;
  readonly tells: boolean;
  readonly tellsWhen: boolean;
}

const TOO_MANY = 429;
const RESOURCE_EXHAUSTED = 8;
/** Envoy's. */
const SHORTEST_FILL_MS = 50;

export function readRateLimit(
  config: LocalRateLimit,
  at: string,
  deps: RouteFilterDeps,
  findings: Findings,
): RateLimitSettings {
  const { statPrefix, tokenBucket } = config;
  if (statPrefix === '') findings.error(`${at}.stat_prefix`, 'is missing');
  const refused: Readonly<Record<string, boolean>> = {
    stage: config.stage !== 0,
    local_rate_limit_per_downstream_connection: config.localRateLimitPerDownstreamConnection,
    local_cluster_rate_limit: config.localClusterRateLimit !== undefined,
    vh_rate_limits: config.vhRateLimits !== 0,
    max_dynamic_descriptors: config.maxDynamicDescriptors !== undefined,
  };
  for (const [field, isSet] of Object.entries(refused)) findings.refuse(`${at}.${field}`, isSet);
  const share = (name: 'filter_enabled' | 'filter_enforced', random: Random): Share | undefined =>
    readShare(
      name === 'filter_enabled' ? config.filterEnabled : config.filterEnforced,
      `${at}.${name}`,
      random,
      findings,
      deps.runtime,
    );
  const buckets = new Map<string, TokenBucket>();
  config.descriptors.forEach((descriptor, i) => {
    readDescriptor(descriptor, buckets, `${at}.descriptors[${i}]`, `${statPrefix} ${at}`, deps, findings);
  });
  const status = config.status?.code ?? TOO_MANY;
  return {
    stats: createStats(statPrefix, deps),
    status: status < 400 ? TOO_MANY : status,
    grpcStatus: config.rateLimitedAsResourceExhausted ? RESOURCE_EXHAUSTED : undefined,
    bucket:
      tokenBucket && readBucket(tokenBucket, `${at}.token_bucket`, `${statPrefix} ${at}`, deps, findings),
    buckets,
    makers: config.rateLimits.map((limit, i) => readMaker(limit, `${at}.rate_limits[${i}]`, findings)),
    alwaysTakesFromAll: config.alwaysConsumeDefaultTokenBucket ?? true,
    enabled: share('filter_enabled', deps.random),
    enforced: share('filter_enforced', deps.random),
    requestHeaders: compileMutation(
      config.requestHeadersToAddWhenNotEnforced,
      [],
      `${at}.`,
      'request',
      findings,
    ),
    responseHeaders: compileMutation(config.responseHeadersToAdd, [], `${at}.`, 'response', findings),
    tells: config.enableXRatelimitHeaders !== 0,
    tellsWhen: config.enableRetryAfterHeader,
  };
}

function createStats(prefix: string, { metrics }: RouteFilterDeps): LimitStats {
  const scope = metrics.scope({
    path: `${prefix}.http_local_rate_limit`,
    family: 'http_local_rate_limit',
    labels: { envoy_local_http_ratelimit_prefix: prefix },
  });
  return {
    enabled: scope.counter('enabled'),
    enforced: scope.counter('enforced'),
    rateLimited: scope.counter('rate_limited'),
    ok: scope.counter('ok'),
  };
}

function readDescriptor(
  { entries, tokenBucket, shadowMode }: LocalRateLimitDescriptor,
  buckets: Map<string, TokenBucket>,
  at: string,
  name: string,
  deps: RouteFilterDeps,
  findings: Findings,
): void {
  findings.refuse(`${at}.shadow_mode`, shadowMode);
  if (entries.length === 0) findings.error(`${at}.entries`, 'is missing');
  entries.forEach(({ key, value }, i) => {
    if (key === '') findings.error(`${at}.entries[${i}].key`, 'is missing');
    // Envoy makes a bucket for each value that comes.
    if (value === '') findings.error(`${at}.entries[${i}].value`, 'must be given');
  });
  const text = textOf(entries.map(({ key, value }) => [key, byteString(value)]));
  if (buckets.has(text)) findings.error(`${at}.entries`, 'are those of a descriptor before');
  if (tokenBucket === undefined) {
    findings.error(`${at}.token_bucket`, 'is missing');
    return;
  }
  buckets.set(text, readBucket(tokenBucket, `${at}.token_bucket`, `${name} ${text}`, deps, findings));
}

/** @param name the same of buckets that are one */
export function readBucket(
  { maxTokens, tokensPerFill, fillInterval }: BucketMessage,
  at: string,
  name: string,
  { buckets, clock }: Pick<RouteFilterDeps, 'buckets' | 'clock'>,
  findings: Findings,
): TokenBucket {
  if (maxTokens === 0) findings.error(`${at}.max_tokens`, 'must be at least 1');
  if (tokensPerFill === 0) findings.error(`${at}.tokens_per_fill`, 'must be at least 1');
  const fillMs = findings.durationMs(`${at}.fill_interval`, fillInterval) ?? 0;
  if (fillMs < SHORTEST_FILL_MS)
    findings.error(`${at}.fill_interval`, `must be at least ${SHORTEST_FILL_MS} ms`);
  const tokens = tokensPerFill ?? 1;
  const { aheadMs } = buckets;
  // A bucket of other measures is another bucket.
  const cell = buckets.cellOf(`${name} ${maxTokens} ${tokens} ${fillMs}`);
  return new TokenBucket(maxTokens, tokens / Math.max(fillMs, 1), cell, () => clock.nowMs() + aheadMs);
}
