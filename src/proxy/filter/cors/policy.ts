/** What the route table allows to other origins. */
import type { TextMatcher } from '#core/matcher.ts';
import type { Parsed } from '#core/problem.ts';
import type { CorsPolicy } from '#xds/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import { byteString, Findings } from '../../findings.ts';
import type { RouteFilterDeps } from '../../route/filter-config.ts';
import { textMatcher } from '../../route/header-match.ts';
import { readShare, type Share } from '../share.ts';

interface Policy {
  readonly origins: readonly TextMatcher[];
  readonly methods: string;
  readonly headers: string;
  readonly expose: string;
  readonly maxAge: string;
  readonly credentials: boolean | undefined;
  readonly privateNetworks: boolean | undefined;
  readonly forwardsOthers: boolean | undefined;
  readonly enabled: Share | undefined;
  readonly shadowed: Share | undefined;
}

/** What {@link PolicyLevels} is made of. */
export function readPolicy(
  config: CorsPolicy,
  path: string,
  { random, runtime }: RouteFilterDeps,
): Parsed<unknown> {
  const findings = new Findings();
  const policy: Policy = {
    origins: config.allowOriginStringMatch.map((matcher, i) =>
      textMatcher(matcher, `${path}.allow_origin_string_match[${i}]`, findings),
    ),
    methods: byteString(config.allowMethods),
    headers: byteString(config.allowHeaders),
    expose: byteString(config.exposeHeaders),
    maxAge: byteString(config.maxAge),
    credentials: config.allowCredentials,
    privateNetworks: config.allowPrivateNetworkAccess,
    forwardsOthers: config.forwardNotMatchingPreflights,
    enabled: readShare(config.filterEnabled, `${path}.filter_enabled`, random, findings, runtime),
    shadowed: readShare(config.shadowEnabled, `${path}.shadow_enabled`, random, findings, runtime),
  };
  return findings.result<unknown>(policy);
}

/** The policies that hold for one request: for each thing the most specific one that says it. */
export class PolicyLevels {
  /** The most specific first. */
  readonly #policies: readonly Policy[];

  /** @param configs of {@link readPolicy}, the least specific first */
  constructor(configs: readonly unknown[]) {
    this.#policies = (configs as readonly Policy[]).toReversed();
  }

  isEnabled(): boolean {
    return this.#policies[0]?.enabled?.draw() ?? true;
  }

  isShadowed(): boolean {
    return this.#policies[0]?.shadowed?.draw() ?? false;
  }

  allows(origin: string): boolean {
    const origins = this.#policies.find((policy) => policy.origins.length > 0)?.origins ?? [];
    return origins.some((matches) => matches('*') || matches(origin));
  }

  /** '' where nothing is said. */
  text(field: 'methods' | 'headers' | 'expose' | 'maxAge'): string {
    return this.#policies.find((policy) => policy[field] !== '')?.[field] ?? '';
  }

  withCredentials(): boolean {
    return this.#policies.find(({ credentials }) => credentials !== undefined)?.credentials ?? false;
  }

  toPrivateNetworks(): boolean {
    return this.#policies.find((policy) => policy.privateNetworks !== undefined)?.privateNetworks ?? false;
  }

  /** Whether preflights of origins that are not allowed go to the upstream. */
  forwardsOthers(): boolean {
    return this.#policies.find((policy) => policy.forwardsOthers !== undefined)?.forwardsOthers ?? true;
  }
}
