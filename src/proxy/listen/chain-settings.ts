/** A `FilterChain` message, read once: whom it takes and what its filters do. */
import { toBinary } from '@bufbuild/protobuf';
import {
  type FilterChain,
  FilterChainSchema,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { Findings } from '../findings.ts';
import type { Wanted } from '../resource-source.ts';
import { HeldMetrics, type ScopeHolders } from '../scope-holders.ts';
import { type DownstreamTlsSettings, readDownstreamTransport } from '../tls/downstream-settings.ts';
import { type ChainKeys, readChainMatch } from './chain-criteria.ts';
import { digest } from './digest.ts';
import {
  type FilterContext,
  type NetworkFilters,
  type PlacedFilter,
  readNetworkFilters,
} from './network-filters.ts';

/** Of the filters those whose configuration does not come by name. */
export interface ChainSettings extends NetworkFilters {
  readonly name: string;
  /** Equal for chains of equal messages. */
  readonly key: () => string;
  readonly match: ChainKeys;
  readonly tls: DownstreamTlsSettings | undefined;
  /** 0: none. */
  readonly handshakeTimeoutMs: number;
  /** All filters in their order. */
  readonly placed: readonly PlacedFilter[];
  /** What it counts in. Whoever reads the settings releases it when they serve nothing, or nothing any more. */
  readonly metrics: HeldMetrics;
}

/** What settings of listeners are read with. */
export interface ListenerReadDeps extends DataPathDeps {
  readonly scopes: ScopeHolders;
}

export interface ChainContext extends FilterContext {
  readonly deps: ListenerReadDeps;
  /** Gets the secrets that the chain names. */
  readonly secrets: Wanted[];
}

export function readChain(chain: FilterChain, context: ChainContext, findings: Findings): ChainSettings {
  const { path, secrets } = context;
  const metrics = new HeldMetrics(context.deps.scopes);
  const deps = { ...context.deps, metrics };
  if (chain.useProxyProto === true) {
    findings.error(`${path}.use_proxy_proto`, 'is not supported: use the listener filter proxy_protocol');
  }
  return {
    name: chain.name,
    key: digest(() => toBinary(FilterChainSchema, chain)),
    match: readChainMatch(chain.filterChainMatch, `${path}.filter_chain_match`, findings),
    tls: readDownstreamTransport(chain.transportSocket, `${path}.transport_socket`, deps, findings, secrets),
    handshakeTimeoutMs:
      findings.durationMs(`${path}.transport_socket_connect_timeout`, chain.transportSocketConnectTimeout) ??
      0,
    ...readNetworkFilters(chain, { ...context, deps }, findings),
    metrics,
  };
}
