/** A `FilterChain` message, read once: whom it takes and what its filters do. */
import { toBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import {
  type FilterChain,
  FilterChainSchema,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { HttpConnectionManagerSchema } from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { ConnectionFilter, Direction } from '../filter/contract.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { createCoder } from '../hcm/create-coder.ts';
import { type HcmSettings, readHcm } from '../hcm/settings.ts';
import type { Wanted } from '../resource-source.ts';
import { readTcpFilter } from '../tcp/chain-filter.ts';
import type { NetworkFilter } from '../tcp/network-filter.ts';
import type { TcpTerminalSettings } from '../tcp/terminal.ts';
import { type DownstreamTlsSettings, readDownstreamTransport } from '../tls/downstream-settings.ts';
import { type ChainKeys, readChainMatch } from './chain-criteria.ts';
import type { GateSettings, GuardSettings } from './connection-gate.ts';
import { digest } from './digest.ts';
import { keepers } from './keepers.ts';

export interface ChainSettings {
  readonly name: string;
  /** Equal for chains of equal messages. */
  readonly key: () => string;
  readonly match: ChainKeys;
  readonly tls: DownstreamTlsSettings | undefined;
  /** 0: none. */
  readonly handshakeTimeoutMs: number;
  readonly gates: readonly GateSettings[];
  readonly guards: readonly GuardSettings[];
  /** Without one and the other the chain closes its connections. */
  readonly http: HcmSettings | undefined;
  readonly tcp: TcpTerminalSettings | undefined;
}

export interface ChainContext {
  readonly path: string;
  /** Its name. */
  readonly listener: string;
  readonly deps: DataPathDeps;
  readonly direction: Direction;
  /** Of the listener's connections. */
  readonly bufferLimitBytes: number;
  /** Gets the secrets that the chain names. */
  readonly secrets: Wanted[];
}

export function readChain(chain: FilterChain, context: ChainContext, findings: Findings): ChainSettings {
  const { path, deps, secrets } = context;
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
    ...readFilters(chain, context, findings),
  };
}

type Filters = Pick<ChainSettings, 'gates' | 'guards' | 'http' | 'tcp'>;

function readFilters(chain: FilterChain, context: ChainContext, findings: Findings): Filters {
  const { path, deps, direction, bufferLimitBytes } = context;
  let http: HcmSettings | undefined;
  let tcp: TcpTerminalSettings | undefined;
  const gates: GateSettings[] = [];
  const guards: GuardSettings[] = [];
  const before: NetworkFilter[] = [];
  /** Places of filters that only `tcp_proxy` asks. */
  const tcpOnly: string[] = [];
  chain.filters.forEach((filter, i) => {
    const at = `${path}.filters[${i}]`;
    const any = filter.configType.value;
    const typeName = typeNameOf(any);
    let ends = false;
    if (typeName === HttpConnectionManagerSchema.typeName) {
      ends = true;
      const message = findings.unpack(`${at}.typed_config`, any, HttpConnectionManagerSchema);
      if (message !== undefined)
        http = readHcm(message, { deps, direction, bufferLimitBytes, path: `${at}.typed_config` }, findings);
    } else if (keepers[typeName] !== undefined) {
      const { gate, guard } = keepers[typeName](
        any,
        { path: `${at}.typed_config`, listener: context.listener, deps },
        findings,
      );
      if (gate !== undefined) gates.push(gate);
      if (guard !== undefined) guards.push(guard);
    } else {
      const read = readTcpFilter(any, { path: at, deps, direction, before, bufferLimitBytes }, findings);
      if (read === undefined) {
        before.push(...readObserver(any, filter.name, at, context, findings));
        tcpOnly.push(at);
      } else if (read.kind === 'filter') {
        before.push(read.filter);
        tcpOnly.push(at);
      } else if (read.kind === 'terminal') tcp = read.settings;
      ends = read?.kind === 'terminal' || (read?.kind === 'broken' && read.ends);
    }
    const isLast = i === chain.filters.length - 1;
    if (ends && !isLast) findings.error(at, 'must be the last filter of its chain');
    if (!ends && isLast && !findings.failed) {
      findings.error(at, 'the last filter must be one that ends a chain, such as tcp_proxy');
    }
  });
  if (http !== undefined) for (const at of tcpOnly) findings.error(at, 'is only supported before tcp_proxy');
  return { gates, guards, http, tcp };
}

/** A filter of the catalogue that watches connections of `tcp_proxy`. */
function readObserver(
  any: Any | undefined,
  name: string,
  path: string,
  { deps, direction }: ChainContext,
  findings: Findings,
): ConnectionFilter[] {
  const typeName = typeNameOf(any);
  const known = deps.filters.find((entry) => entry.typeName === typeName)?.loadForConnections;
  if (known === undefined || any === undefined) {
    findings.error(path, `network filter ${any?.typeUrl ?? name} is not supported`);
    return [];
  }
  const { metrics, clock, random, log, buckets, nodeCluster } = deps;
  const loaded = known(any, `${path}.typed_config`, {
    metrics,
    clock,
    random,
    log,
    buckets,
    nodeCluster,
    direction,
    statPrefix: '',
    name,
    slot: 0,
    createCoder,
    ...(deps.hostCache !== undefined && { hostCache: deps.hostCache }),
  });
  findings.problems.push(...loaded.problems);
  return loaded.ok ? [loaded.value] : [];
}
