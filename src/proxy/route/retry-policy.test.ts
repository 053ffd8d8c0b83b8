import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromJson, type JsonValue } from '@bufbuild/protobuf';
import {
  HedgePolicySchema,
  RetryPolicySchema,
  RouteSchema,
} from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { registry } from '#xds/registry.ts';
import { Findings } from '../findings.ts';
import { bodyLimitBytes, compileBodyLimit } from './body-limit.ts';
import { compileHedgePolicy } from './hedge-policy.ts';
import { resetIntervalMs } from './retry-back-off.ts';
import { conditionsAsked, retryOn } from './retry-conditions.ts';
import { compileRetryPolicy, type RetryRules, warnOfTypedPolicy } from './retry-policy.ts';

const RETRY = 'type.googleapis.com/envoy.extensions.retry';

function compile(policy: JsonValue): { rules: RetryRules; said: string[] } {
  const findings = new Findings();
  const rules = compileRetryPolicy(fromJson(RetryPolicySchema, policy, { registry }), 'p', findings);
  return { rules, said: findings.problems.map(({ level, path, message }) => `${level} ${path} ${message}`) };
}

describe('what is wrong with a policy is said', () => {
  const cases: [policy: JsonValue, said: RegExp][] = [
    [{ retryOn: '5xx,sometimes' }, /^warning p\.retry_on "sometimes" is not a known condition$/],
    [{ retryBackOff: {} }, /^error p\.retry_back_off\.base_interval is missing$/],
    [
      { retryBackOff: { baseInterval: '0s' } },
      /^error p\.retry_back_off\.base_interval must be more than 0$/,
    ],
    [
      { retryBackOff: { baseInterval: '2s', maxInterval: '1s' } },
      /^error p\.retry_back_off\.max_interval must not be less than base_interval$/,
    ],
    [{ rateLimitedRetryBackOff: {} }, /^error p\.rate_limited_retry_back_off\.reset_headers is missing$/],
    [
      { rateLimitedRetryBackOff: { resetHeaders: [{ format: 'SECONDS' }] } },
      /^error p\.rate_limited_retry_back_off\.reset_headers\[0\]\.name is missing$/,
    ],
    [
      { retryOptionsPredicates: [{ name: 'mine' }] },
      /^error p\.retry_options_predicates\[0\] "mine" is not supported: none is built in$/,
    ],
    [
      { retryHostPredicate: [{ name: 'mine' }] },
      /^error p\.retry_host_predicate\[0\] "mine" is not supported/,
    ],
    [{ retryPriority: { name: 'mine' } }, /^error p\.retry_priority "mine" is not supported/],
    [
      {
        retryPriority: {
          name: 'x',
          typedConfig: {
            '@type': `${RETRY}.priority.previous_priorities.v3.PreviousPrioritiesConfig`,
          },
        },
      },
      /^error p\.retry_priority\.typed_config\.update_frequency must be at least 1$/,
    ],
    [
      { hostSelectionRetryMaxAttempts: -1 },
      /^error p\.host_selection_retry_max_attempts must not be negative$/,
    ],
    [{ refreshClusterOnRetry: true }, /^warning p\.refresh_cluster_on_retry has no effect/],
  ];
  for (const [policy, said] of cases) {
    test(JSON.stringify(policy), () => {
      const problems = compile(policy).said;
      assert.equal(problems.length, 1);
      assert.match(problems[0]!, said);
    });
  }
});

test('predicates by their type, or by the name of a built-in one', () => {
  const { rules, said } = compile({
    retryHostPredicate: [
      { name: 'envoy.retry_host_predicates.previous_hosts' },
      {
        name: 'any',
        typedConfig: { '@type': `${RETRY}.host.omit_canary_hosts.v3.OmitCanaryHostsPredicate` },
      },
      {
        name: 'any',
        typedConfig: {
          '@type': `${RETRY}.host.omit_host_metadata.v3.OmitHostMetadataConfig`,
          metadataMatch: { filterMetadata: { 'envoy.lb': { age: 'old' }, other: { a: 1 } } },
        },
      },
    ],
  });
  assert.deepEqual(said, []);
  assert.deepEqual(rules.hosts, { previous: true, canary: true, metadata: [{ age: 'old' }] });
});

test('intervals below a millisecond are one', () => {
  const { rules } = compile({ retryBackOff: { baseInterval: '0.0001s', maxInterval: '0.0005s' } });
  assert.deepEqual(rules.backOff, { baseIntervalMs: 1, maxIntervalMs: 1 });
});

test('conditions of requests are of one kind each', () => {
  assert.equal(conditionsAsked('5xx, unavailable', 'reset,cancelled'), retryOn['5xx'] | retryOn.cancelled);
  assert.equal(conditionsAsked(undefined, undefined), 0);
});

describe('how long a response says to wait', () => {
  const { rules } = compile({
    rateLimitedRetryBackOff: {
      resetHeaders: [{ name: 'Retry-After' }, { name: 'x-moment', format: 'UNIX_TIMESTAMP' }],
      maxInterval: '10s',
    },
  });
  const nowMs = 1_700_000_000_500;
  const cases: [headers: readonly string[], ms: number | undefined, why: string][] = [
    [['retry-after', '3'], 3000, 'seconds'],
    [['retry-after', '11', 'x-moment', '1700000004'], 4000, 'too long, and another'],
    [['retry-after', '0', 'x-moment', '1700000004'], undefined, 'no wait decides too'],
    [['x-moment', '1699999999'], undefined, 'the past'],
    [['retry-after', 'soon'], undefined, 'no number'],
    [[], undefined, 'no header'],
  ];
  for (const [headers, ms, why] of cases)
    test(why, () => assert.equal(resetIntervalMs(rules.resets!, headers, nowMs), ms));
});

test('limits of bodies: the newer field of the virtual host comes before the older one of the route', () => {
  const findings = new Findings();
  const limit = (of: JsonValue): ReturnType<typeof compileBodyLimit> =>
    compileBodyLimit(fromJson(RouteSchema, of), 'r', findings);
  const older = limit({ perRequestBufferLimitBytes: 5 });
  const newer = limit({ requestBodyBufferLimit: '7' });
  const none = limit({});
  assert.equal(bodyLimitBytes(older, newer), 7);
  assert.equal(bodyLimitBytes(newer, older), 7);
  assert.equal(bodyLimitBytes(older, none), 5);
  assert.equal(bodyLimitBytes(none, none), undefined);
  assert.equal(findings.problems.length, 0);
  limit({ perRequestBufferLimitBytes: 5, requestBodyBufferLimit: '7' });
  assert.deepEqual(
    findings.problems.map(({ path }) => path),
    ['r.per_request_buffer_limit_bytes'],
  );
});

test('what hedging and extensions have no effect is warned of', () => {
  const findings = new Findings();
  const policy = {
    initialRequests: 2,
    additionalRequestChance: { numerator: 1 },
    hedgeOnPerTryTimeout: true,
  };
  assert.equal(compileHedgePolicy(fromJson(HedgePolicySchema, policy), 'h', findings), true);
  assert.equal(compileHedgePolicy(undefined, 'h', findings), undefined);
  warnOfTypedPolicy(undefined, 'v', findings);
  assert.deepEqual(
    findings.problems.map(({ level, path }) => `${level} ${path}`),
    ['warning h.initial_requests', 'warning h.additional_request_chance'],
  );
});
