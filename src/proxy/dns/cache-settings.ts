/** How a cache of names keeps them, as a `DnsCacheConfig` says it. */
import { toBinary } from '@bufbuild/protobuf';
import { type IpRange, inRange, parseIp, parseRange } from '#core/ip-address.ts';
import { Cluster_DnsLookupFamily as Family } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  type DnsCacheConfig,
  DnsCacheConfigSchema,
} from '#xds/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js';
import type { AddressMatcher } from '#xds/gen/envoy/type/matcher/v3/address_pb.js';
import { familiesOf, readResolver } from '../cluster/dns-settings.ts';
import type { Findings } from '../findings.ts';
import type { ResolverSettings } from './lookup.ts';
import type { NamedHost } from './named-host.ts';

export interface CacheSettings {
  readonly name: string;
  /** Equal for caches with equal settings. */
  readonly identity: string;
  /** Versions of IP in the order of preference. */
  readonly families: readonly (4 | 6)[];
  readonly allFamilies: boolean;
  readonly resolver: ResolverSettings | undefined;
  /** How long an answer without a TTL is used, and a name without an answer is not asked for. */
  readonly refreshMs: number;
  /** How long an answer is used at least. */
  readonly minRefreshMs: number;
  /** A name that nobody has asked for in this time goes when it would be looked up again. */
  readonly hostTtlMs: number;
  readonly maxHosts: number;
  /** After failures, doubled each time; undefined: `refreshMs`. */
  readonly failure: { readonly baseMs: number; readonly maxMs: number } | undefined;
  /** Whether names without an answer are looked up when they are asked for again, and not by themselves. */
  readonly failsOnDemand: boolean;
  /** How many requests may wait. */
  readonly maxPending: number;
  /** 0: as long as it takes. */
  readonly queryTimeoutMs: number;
  /** Looked up before anybody asks. */
  readonly preresolved: readonly NamedHost[];
  /** Whether an address that is found is not to be used. */
  bars(address: string): boolean;
}

/** Envoy's defaults. */
const REFRESH_MS = 60_000;
const MIN_REFRESH_MS = 5000;
const HOST_TTL_MS = 5 * 60_000;
const MAX_HOSTS = 1024;
const MAX_PENDING = 1024;
const QUERY_TIMEOUT_MS = 5000;
/** `max_interval` is this many times `base_interval` where it is not given. */
const MAX_INTERVALS = 10;

export function readCache(config: DnsCacheConfig, at: string, findings: Findings): CacheSettings {
  const ms = (field: string, value: DnsCacheConfig['hostTtl'], otherwise: number, least: number): number => {
    const given = findings.durationMs(`${at}.${field}`, value);
    if (given !== undefined && given < least) findings.error(`${at}.${field}`, `must be ${least} ms or more`);
    return given ?? otherwise;
  };
  if (config.name === '') findings.error(`${at}.name`, 'is missing');
  const maxHosts = config.maxHosts ?? MAX_HOSTS;
  if (maxHosts === 0) findings.error(`${at}.max_hosts`, 'must be greater than 0');
  const hosts = config.preresolveHostnames;
  if (hosts.length > maxHosts)
    findings.error(`${at}.preresolve_hostnames`, `are ${hosts.length}, more than max_hosts (${maxHosts})`);
  const failure = config.dnsFailureRefreshRate;
  const baseMs = ms('dns_failure_refresh_rate.base_interval', failure?.baseInterval, 0, 1);
  if (failure !== undefined && failure.baseInterval === undefined)
    findings.error(`${at}.dns_failure_refresh_rate.base_interval`, 'is missing');
  const maxMs = ms('dns_failure_refresh_rate.max_interval', failure?.maxInterval, baseMs * MAX_INTERVALS, 1);
  if (maxMs < baseMs)
    findings.error(`${at}.dns_failure_refresh_rate.max_interval`, 'must not be below base_interval');
  const family = Family[config.dnsLookupFamily];
  return {
    name: config.name,
    identity: Buffer.from(toBinary(DnsCacheConfigSchema, config)).toString('base64'),
    families: familiesOf(family),
    allFamilies: family === 'ALL',
    resolver: readResolver(
      config.typedDnsResolverConfig,
      `${at}.typed_dns_resolver_config.typed_config`,
      findings,
    ),
    refreshMs: ms('dns_refresh_rate', config.dnsRefreshRate, REFRESH_MS, 1),
    minRefreshMs: ms('dns_min_refresh_rate', config.dnsMinRefreshRate, MIN_REFRESH_MS, 1000),
    hostTtlMs: ms('host_ttl', config.hostTtl, HOST_TTL_MS, 1),
    maxHosts,
    failure: failure === undefined ? undefined : { baseMs, maxMs },
    failsOnDemand: config.disableDnsRefreshOnFailure,
    maxPending: config.dnsCacheCircuitBreaker?.maxPendingRequests ?? MAX_PENDING,
    queryTimeoutMs: ms('dns_query_timeout', config.dnsQueryTimeout, QUERY_TIMEOUT_MS, 0),
    preresolved: hosts.map(({ address, portSpecifier }, i) => {
      if (portSpecifier.case === 'portValue') return { host: address, port: portSpecifier.value };
      findings.error(`${at}.preresolve_hostnames[${i}].port_value`, 'is missing');
      return { host: address, port: 0 };
    }),
    bars: readBar(config.resolvedAddressFilter, `${at}.resolved_address_filter`, findings),
  };
}

function readBar(
  matcher: AddressMatcher | undefined,
  at: string,
  findings: Findings,
): (address: string) => boolean {
  if (matcher === undefined) return () => false;
  const ranges = matcher.ranges.flatMap(({ addressPrefix, prefixLen }, i): IpRange[] => {
    const range = parseRange(addressPrefix, prefixLen ?? 0);
    if (range !== undefined) return [range];
    findings.error(`${at}.ranges[${i}].address_prefix`, `"${addressPrefix}" is not an IP address`);
    return [];
  });
  return (address) => {
    const bytes = parseIp(address);
    const matches = bytes !== undefined && ranges.some((range) => inRange(range, bytes));
    return matches !== matcher.invertMatch;
  };
}

/** What is wrong where two configurations of one cache are not the same. */
export function otherSettings(name: string): string {
  return `the cache "${name}" has other settings already; caches of one name must be configured alike`;
}
