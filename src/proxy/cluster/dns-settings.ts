/** How names of a cluster are looked up, as a `Cluster` says it. */
import type { Duration } from '@bufbuild/protobuf/wkt';
import { hostPort } from '#core/ip-address.ts';
import {
  type Cluster,
  Cluster_DnsLookupFamily as Family,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TypedExtensionConfig } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import { DnsLookupFamily as CommonFamily } from '#xds/gen/envoy/extensions/clusters/common/dns/v3/dns_pb.js';
import type { DnsCluster } from '#xds/gen/envoy/extensions/clusters/dns/v3/dns_cluster_pb.js';
import { CaresDnsResolverConfigSchema } from '#xds/gen/envoy/extensions/network/dns_resolver/cares/v3/cares_dns_resolver_pb.js';
import { GetAddrInfoDnsResolverConfigSchema } from '#xds/gen/envoy/extensions/network/dns_resolver/getaddrinfo/v3/getaddrinfo_dns_resolver_pb.js';
import type { ResolverSettings } from '../dns/lookup.ts';
import { type Findings, typeNameOf } from '../findings.ts';

export interface DnsSettings {
  /** Versions of IP in the order of preference. */
  readonly families: readonly (4 | 6)[];
  /** Whether addresses of all versions are used, and not of the first alone that there are some of. */
  readonly allFamilies: boolean;
  readonly refreshMs: number;
  /** Whether the TTL of an answer, where there is one, takes the place of `refreshMs`. */
  readonly respectTtl: boolean;
  /** The most that is added by chance. */
  readonly jitterMs: number;
  /** After failures, doubled each time; undefined: `refreshMs`. */
  readonly failure: { readonly baseMs: number; readonly maxMs: number } | undefined;
  readonly resolver: ResolverSettings | undefined;
}

/** Envoy's default. */
const REFRESH_MS = 5000;
/** `max_interval` is this many times `base_interval` where it is not given. */
const MAX_INTERVALS = 10;

const families: Readonly<Record<string, readonly (4 | 6)[]>> = {
  V4_ONLY: [4],
  V6_ONLY: [6],
  V4_PREFERRED: [4, 6],
  ALL: [4, 6],
};

/** @param name of a `DnsLookupFamily` */
export function familiesOf(name: string | undefined): readonly (4 | 6)[] {
  // AUTO
  return families[name ?? ''] ?? [6, 4];
}

/** What `Cluster` and `DnsCluster` both have. */
type Source = Pick<Cluster, 'dnsRefreshRate' | 'dnsJitter' | 'respectDnsTtl' | 'typedDnsResolverConfig'> & {
  readonly dnsFailureRefreshRate?:
    | { readonly baseInterval?: Duration | undefined; readonly maxInterval?: Duration | undefined }
    | undefined;
};

/** @param extension the `DnsCluster` that the cluster is, if it is one */
export function readDns(
  cluster: Cluster,
  extension: DnsCluster | undefined,
  findings: Findings,
): DnsSettings {
  const source: Source = extension ?? cluster;
  const at = extension === undefined ? '' : 'cluster_type.typed_config.';
  const family =
    extension === undefined ? Family[cluster.dnsLookupFamily] : CommonFamily[extension.dnsLookupFamily];
  const failure = source.dnsFailureRefreshRate;
  const baseMs = findings.durationMs(`${at}dns_failure_refresh_rate.base_interval`, failure?.baseInterval);
  const maxMs = findings.durationMs(`${at}dns_failure_refresh_rate.max_interval`, failure?.maxInterval);
  if (failure !== undefined && (baseMs === undefined || baseMs < 1))
    findings.error(`${at}dns_failure_refresh_rate.base_interval`, 'must be 1 ms or more');
  if (baseMs !== undefined && maxMs !== undefined && maxMs < baseMs)
    findings.error(`${at}dns_failure_refresh_rate.max_interval`, 'must not be below base_interval');
  const refreshMs = findings.durationMs(`${at}dns_refresh_rate`, source.dnsRefreshRate) ?? REFRESH_MS;
  if (refreshMs < 1) findings.error(`${at}dns_refresh_rate`, 'must be 1 ms or more');
  findings.refuse(`${at}dns_min_refresh_rate`, extension?.dnsMinRefreshRate !== undefined);
  return {
    families: familiesOf(family),
    allFamilies: family === 'ALL',
    refreshMs,
    respectTtl: source.respectDnsTtl,
    jitterMs: findings.durationMs(`${at}dns_jitter`, source.dnsJitter) ?? 0,
    failure: baseMs === undefined ? undefined : { baseMs, maxMs: maxMs ?? baseMs * MAX_INTERVALS },
    resolver: readResolver(
      source.typedDnsResolverConfig,
      `${at}typed_dns_resolver_config.typed_config`,
      findings,
    ),
  };
}

const CARES = CaresDnsResolverConfigSchema.typeName;

export function readResolver(
  typed: TypedExtensionConfig | undefined,
  path: string,
  findings: Findings,
): ResolverSettings | undefined {
  if (typed === undefined) return undefined;
  if (typeNameOf(typed.typedConfig) !== CARES) {
    // The machine's way is what that one is.
    const system = findings.unpack(path, typed.typedConfig, GetAddrInfoDnsResolverConfigSchema);
    findings.refuse(`${path}.num_retries`, system?.numRetries !== undefined);
    return undefined;
  }
  const config = findings.unpack(path, typed.typedConfig, CaresDnsResolverConfigSchema);
  if (config === undefined) return undefined;
  findings.refuse(`${path}.use_resolvers_as_fallback`, config.useResolversAsFallback);
  findings.refuse(
    `${path}.dns_resolver_options.use_tcp_for_dns_lookups`,
    config.dnsResolverOptions?.useTcpForDnsLookups === true,
  );
  const servers = config.resolvers.map(({ address }, i) => {
    if (address.case === 'socketAddress' && address.value.portSpecifier.case !== 'namedPort')
      return hostPort(address.value.address, address.value.portSpecifier.value || 53);
    findings.error(`${path}.resolvers[${i}]`, 'must be a socket_address with a number for a port');
    return '';
  });
  const timeoutMs = Number(config.queryTimeoutSeconds ?? 0) * 1000;
  const tries = config.queryTries ?? 0;
  const asTheyStand = config.dnsResolverOptions?.noDefaultSearchDomain === true;
  if (servers.length === 0) {
    const noEffect = "has no effect without resolvers: names are asked of the machine's own";
    if (timeoutMs > 0) findings.warn(`${path}.query_timeout_seconds`, noEffect);
    if (tries > 0) findings.warn(`${path}.query_tries`, noEffect);
    if (asTheyStand) findings.warn(`${path}.dns_resolver_options.no_default_search_domain`, noEffect);
    return undefined;
  }
  return { servers, timeoutMs: timeoutMs || undefined, tries: tries || undefined, asTheyStand };
}
