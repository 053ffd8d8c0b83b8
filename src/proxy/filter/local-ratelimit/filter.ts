/** Limits the rate of requests without asking anybody (Envoy, "Local rate limit"). */
import type { Parsed } from '#core/problem.ts';
import { type HeaderList, hasHeader } from '#http/header-list.ts';
import { LocalRateLimitSchema } from '#xds/gen/envoy/extensions/filters/http/local_ratelimit/v3/local_rate_limit_pb.js';
import { Findings } from '../../findings.ts';
import { mutate } from '../../route/header-mutation.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { type RateLimitSettings, readRateLimit } from './settings.ts';
import type { TokenBucket } from './token-bucket.ts';

export const localRatelimit: CataloguedFilter = defineFilter({
  kind: 'local-ratelimit',
  schema: LocalRateLimitSchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const settings = readRateLimit(config, path, deps, findings);
    return findings.result<HttpFilter>(new LocalRatelimit(settings, deps));
  },
  route: {
    schema: LocalRateLimitSchema,
    create(config, path, deps): Parsed<unknown> {
      const findings = new Findings();
      if (config.tokenBucket === undefined) findings.error(`${path}.token_bucket`, 'is missing');
      return findings.result<unknown>(readRateLimit(config, path, deps, findings));
    },
  },
});

class LocalRatelimit implements HttpFilter {
  readonly #own: RateLimitSettings;
  readonly #deps: FilterDeps;

  constructor(own: RateLimitSettings, deps: FilterDeps) {
    this.#own = own;
    this.#deps = deps;
  }

  #settingsOf(exchange: Exchange): RateLimitSettings {
    return (exchange.routeConfig(this.#deps.name) as RateLimitSettings | undefined) ?? this.#own;
  }

  onRequestHead(exchange: Exchange): Verdict {
    const settings = this.#settingsOf(exchange);
    const { stats } = settings;
    if (settings.enabled?.draw() !== true) return undefined;
    stats.enabled.inc();
    const matched = bucketsOf(exchange, settings);
    const all = matched.length === 0 || settings.alwaysTakesFromAll ? settings.bucket : undefined;
    const empty = matched.find((bucket) => !bucket.take()) ?? (all?.take() === false ? all : undefined);
    exchange.slots[this.#deps.slot] = empty ?? matched[0] ?? all;
    if (empty === undefined) {
      stats.ok.inc();
      return undefined;
    }
    stats.rateLimited.inc();
    if (settings.enforced?.draw() !== true) {
      if (settings.requestHeaders !== undefined)
        mutate(exchange.requestHeaders, [settings.requestHeaders], exchange);
      return undefined;
    }
    stats.enforced.inc();
    return refusal(exchange, settings, empty);
  }

  onResponseHead(exchange: Exchange): undefined {
    const bucket = exchange.slots[this.#deps.slot] as TokenBucket | undefined;
    if (bucket === undefined || !this.#settingsOf(exchange).tells) return;
    const { maxTokens, tokens, secondsUntilNext } = bucket;
    exchange.responseHeaders.push(
      ...['x-ratelimit-limit', String(maxTokens)],
      ...['x-ratelimit-remaining', String(Math.floor(tokens))],
      ...['x-ratelimit-reset', String(Math.ceil(secondsUntilNext))],
    );
  }
}

/** Of the descriptors that a request has, the slowest first. */
function bucketsOf(exchange: Exchange, { makers, buckets }: RateLimitSettings): readonly TokenBucket[] {
  const matched: TokenBucket[] = [];
  for (const maker of makers) {
    const text = maker(exchange);
    const bucket = text === undefined ? undefined : buckets.get(text);
    if (bucket !== undefined) matched.push(bucket);
  }
  return matched.sort((a, b) => a.tokensPerMs - b.tokensPerMs);
}

function refusal(exchange: Exchange, settings: RateLimitSettings, bucket: TokenBucket): Verdict {
  const { status, grpcStatus, responseHeaders, tellsWhen } = settings;
  const headers: HeaderList = [];
  if (responseHeaders !== undefined) mutate(headers, [responseHeaders], exchange);
  if (tellsWhen && status === 429 && !hasHeader(headers, 'retry-after'))
    headers.push('retry-after', String(Math.max(1, Math.ceil(bucket.secondsUntilNext))));
  const reply = { status, body: 'local_rate_limited', flag: 'RL', details: 'local_rate_limited', headers };
  return grpcStatus === undefined ? reply : { ...reply, grpcStatus };
}
