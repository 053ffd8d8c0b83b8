/** `loadBalancer` of a traffic policy: how callers choose an endpoint. */
import { type ConsistentHash, consistentHash } from './consistent-hash.ts';
import type { Decoder } from './decode/decoder.ts';
import { atMostOneOf, object, optional, required, unsupported } from './decode/object.ts';
import { durationMs, number, oneOf } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { type LocalitySetting, localitySetting } from './locality-setting.ts';

/** `PASSTHROUGH`: where the connection was made to, whatever endpoints there are. */
export type SimpleLoadBalancer = 'ROUND_ROBIN' | 'RANDOM' | 'LEAST_REQUEST' | 'PASSTHROUGH';

/** A new endpoint gets its share little by little. */
export interface Warmup {
  /** Milliseconds until it has all of its share. */
  readonly duration: number;
  /** Of its share, with which it begins; absent: Envoy's 10. */
  readonly minimumPercent?: number;
  /** 1 (or absent, or 0): the share grows evenly; above that it grows fast first. */
  readonly aggression?: number;
}

export interface LoadBalancerPolicy {
  /** Absent: Istio's default, least request. */
  readonly simple?: SimpleLoadBalancer;
  readonly consistentHash?: ConsistentHash;
  readonly localityLbSetting?: LocalitySetting;
  readonly warmup?: Warmup;
  /** An older word for {@link warmup}, in milliseconds. */
  readonly warmupDurationSecs?: number;
}

const words = ['UNSPECIFIED', 'LEAST_CONN', 'RANDOM', 'PASSTHROUGH', 'ROUND_ROBIN', 'LEAST_REQUEST'] as const;

/** Names that Istio keeps for old documents mean least request. */
const simple: Decoder<SimpleLoadBalancer> = refined(oneOf(words), (word) =>
  word === 'LEAST_CONN' || word === 'UNSPECIFIED' ? 'LEAST_REQUEST' : word,
);

const warmup: Decoder<Warmup> = object({
  duration: required(durationMs, 'Until a new endpoint has all of its share.'),
  minimumPercent: optional(number(0, 100), 'Of its share, with which it begins; 10 where nothing is said.'),
  aggression: optional(
    number(0, Number.MAX_VALUE),
    'How fast the share grows at first; 1 where nothing is said: evenly.',
  ),
});

export const loadBalancer: Decoder<LoadBalancerPolicy> = object(
  {
    simple: optional(
      simple,
      'The endpoint with the fewest requests of two that are drawn (`LEAST_REQUEST`, the default), one after the other, any, or where the connection was made to (`PASSTHROUGH`).',
    ),
    consistentHash: optional(consistentHash, 'Equal requests go to equal endpoints.'),
    localityLbSetting: optional(localitySetting, 'Which places are preferred to which.'),
    zoneAwareLbSetting: unsupported(
      'adds',
      'Requests stay in the zone of their caller as far as its share of the endpoints goes.',
    ),
    warmup: optional(warmup, 'New endpoints get their share little by little.'),
    warmupDurationSecs: optional(durationMs, 'An older word for `warmup.duration`.'),
  },
  (policy, path, report) => {
    atMostOneOf(policy, ['simple', 'consistentHash'], 'none is fine', path, report);
    atMostOneOf(policy, ['warmup', 'warmupDurationSecs'], 'none is fine', path, report);
    const isWarmed = policy.warmup !== undefined || policy.warmupDurationSecs !== undefined;
    const warms = policy.consistentHash === undefined && !takesAll.has(policy.simple);
    if (isWarmed && !warms) {
      const word = policy.warmup === undefined ? 'warmupDurationSecs' : 'warmup';
      report.warning([...path, word], 'has no effect: only ROUND_ROBIN and LEAST_REQUEST warm endpoints up');
    }
  },
);

const takesAll: ReadonlySet<SimpleLoadBalancer | undefined> = new Set(['RANDOM', 'PASSTHROUGH']);
