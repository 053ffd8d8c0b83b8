/** A `Listener` message, read once: addresses, filter chains and what each of them does. */
import type { Address } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import { TrafficDirection } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type {
  FilterChain,
  ListenerFilter,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { HttpInspectorSchema } from '#xds/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { TlsInspectorSchema } from '#xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import { HttpConnectionManagerSchema } from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { TcpProxySchema } from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { hostPort, readTarget } from '../cluster/assignment.ts';
import type { Target } from '../cluster/endpoint.ts';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { ConnectionFilter, Direction } from '../filter/contract.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { type HcmSettings, readHcm } from '../hcm/settings.ts';
import { readTcpProxy, type TcpSettings } from '../tcp/settings.ts';
import { type DownstreamTlsSettings, readDownstreamTransport } from '../tls/downstream.ts';
import type { NamedSecret } from '../tls/material.ts';
import { type ChainCriteria, compileChainMatch } from './chain-match.ts';

export interface ChainSettings {
  readonly name: string;
  readonly criteria: ChainCriteria;
  readonly tls: DownstreamTlsSettings | undefined;
  readonly handshakeTimeoutMs: number;
  readonly http: HcmSettings | undefined;
  readonly tcp: TcpSettings | undefined;
}

export interface ListenerSettings {
  readonly name: string;
  /** Sockets to bind; empty for an internal listener. */
  readonly addresses: readonly Target[];
  readonly isInternal: boolean;
  readonly chains: readonly ChainSettings[];
  readonly defaultChain: ChainSettings | undefined;
  /** Whether the first bytes are looked at before a chain is chosen. */
  readonly inspects: boolean;
  /** 0: none. */
  readonly inspectTimeoutMs: number;
  readonly continueOnTimeout: boolean;
  readonly backlog: number;
  readonly direction: Direction;
  readonly statAddress: string;
  readonly secrets: readonly NamedSecret[];
  readonly routes: readonly string[];
}

/** Envoy's defaults. */
const INSPECT_TIMEOUT_MS = 15_000;
const BACKLOG = 1024;

const directions: Readonly<Record<number, Direction>> = {
  [TrafficDirection.INBOUND]: 'inbound',
  [TrafficDirection.OUTBOUND]: 'outbound',
};

export function readListener(listener: Listener, deps: DataPathDeps, findings: Findings): ListenerSettings {
  const secrets: NamedSecret[] = [];
  refuseUnsupported(listener, findings);
  const isInternal = listener.listenerSpecifier.case === 'internalListener';
  const addresses = isInternal ? [] : readAddresses(listener, findings);
  const direction = directions[listener.trafficDirection] ?? 'unspecified';
  if (listener.filterChains.length === 0 && listener.defaultFilterChain === undefined) {
    findings.error('filter_chains', 'is missing');
  }
  const read = (chain: FilterChain, path: string): ChainSettings =>
    readChain(chain, { path, deps, direction, secrets }, findings);
  const chains = listener.filterChains.map((chain, i) => read(chain, `filter_chains[${i}]`));
  const defaultChain =
    listener.defaultFilterChain && read(listener.defaultFilterChain, 'default_filter_chain');
  const inspects = readListenerFilters(listener.listenerFilters, findings);
  const all = defaultChain === undefined ? chains : [...chains, defaultChain];
  const [first] = addresses;
  return {
    name: listener.name === '' ? addressText(first) : listener.name,
    addresses,
    isInternal,
    chains,
    defaultChain,
    // Chains that ask what only the bytes tell are inspected for, asked or not, as in Envoy.
    inspects: chains.some(({ criteria }) => criteria.needsInspection) || (inspects && chains.length > 1),
    inspectTimeoutMs:
      findings.durationMs('listener_filters_timeout', listener.listenerFiltersTimeout) ?? INSPECT_TIMEOUT_MS,
    continueOnTimeout: listener.continueOnListenerFiltersTimeout,
    backlog: listener.tcpBacklogSize ?? BACKLOG,
    direction,
    statAddress: listener.statPrefix !== '' ? listener.statPrefix : addressText(first).replaceAll(':', '_'),
    secrets,
    routes: all.flatMap(({ http }) => (http === undefined || http.routeName === '' ? [] : [http.routeName])),
  };
}

function addressText(target: Target | undefined): string {
  if (target === undefined) return 'internal';
  if (target.kind === 'tcp') return hostPort(target.host, target.port);
  return target.kind === 'pipe' ? target.path : target.listener;
}

function refuseUnsupported(listener: Listener, findings: Findings): void {
  findings.refuse('use_original_dst', listener.useOriginalDst === true);
  findings.refuse('transparent', listener.transparent === true);
  findings.refuse('api_listener', listener.apiListener !== undefined);
  findings.refuse('bind_to_port', listener.bindToPort === false);
  findings.refuse('drain_type', listener.drainType !== 0);
  findings.refuse('access_log', listener.accessLog.length > 0);
}

function readAddresses(listener: Listener, findings: Findings): Target[] {
  const entries: [Address | undefined, string][] = [
    [listener.address, 'address'],
    ...listener.additionalAddresses.map(({ address }, i): [Address | undefined, string] => [
      address,
      `additional_addresses[${i}].address`,
    ]),
  ];
  return entries.flatMap(([address, path]) => {
    const read = readTarget(address, path, findings);
    if (read === undefined) return [];
    if (read.target.kind === 'internal') {
      findings.error(path, 'an internal address needs internal_listener');
      return [];
    }
    return [read.target];
  });
}

/** @returns whether there is an inspector. */
function readListenerFilters(filters: readonly ListenerFilter[], findings: Findings): boolean {
  let inspects = false;
  filters.forEach((filter, i) => {
    const path = `listener_filters[${i}].typed_config`;
    const any = filter.configType.value;
    const typeName = typeNameOf(any);
    if (typeName === TlsInspectorSchema.typeName) {
      const config = findings.unpack(path, any, TlsInspectorSchema);
      findings.refuse(`${path}.enable_ja3_fingerprinting`, config?.enableJa3Fingerprinting === true);
      inspects = true;
    } else if (typeName === HttpInspectorSchema.typeName) inspects = true;
    else findings.error(path, `listener filter ${any?.typeUrl ?? filter.name} is not supported`);
  });
  return inspects;
}

interface ChainContext {
  readonly path: string;
  readonly deps: DataPathDeps;
  readonly direction: Direction;
  readonly secrets: NamedSecret[];
}

function readChain(chain: FilterChain, context: ChainContext, findings: Findings): ChainSettings {
  const { path, deps, direction, secrets } = context;
  let http: HcmSettings | undefined;
  let tcp: TcpSettings | undefined;
  const connectionFilters: ConnectionFilter[] = [];
  chain.filters.forEach((filter, i) => {
    const at = `${path}.filters[${i}]`;
    const any = filter.configType.value;
    const last = i === chain.filters.length - 1;
    const typeName = typeNameOf(any);
    if (typeName === HttpConnectionManagerSchema.typeName) {
      const message = findings.unpack(`${at}.typed_config`, any, HttpConnectionManagerSchema);
      if (message !== undefined)
        http = readHcm(message, { deps, direction, path: `${at}.typed_config` }, findings);
    } else if (typeName === TcpProxySchema.typeName) {
      const message = findings.unpack(`${at}.typed_config`, any, TcpProxySchema);
      if (message !== undefined) {
        tcp = readTcpProxy(message, `${at}.typed_config`, connectionFilters, direction, findings);
      }
    } else {
      const known = deps.filters.find((entry) => entry.typeName === typeName)?.loadForConnections;
      if (known === undefined || any === undefined) {
        findings.error(at, `network filter ${any?.typeUrl ?? filter.name} is not supported`);
        return;
      }
      const { metrics, clock, random, log } = deps;
      const loaded = known(any, `${at}.typed_config`, {
        metrics,
        clock,
        random,
        log,
        direction,
        statPrefix: '',
        slot: 0,
        resolve: (host) => deps.resolve(host, 0),
      });
      findings.problems.push(...loaded.problems);
      if (loaded.ok) connectionFilters.push(loaded.value);
      return;
    }
    if (!last) findings.error(at, 'must be the last filter of its chain');
  });
  if (http === undefined && tcp === undefined && !findings.failed) {
    findings.error(`${path}.filters`, 'the last filter must be an HTTP connection manager or tcp_proxy');
  }
  return {
    name: chain.name,
    criteria: compileChainMatch(chain.filterChainMatch, `${path}.filter_chain_match`, findings),
    tls: readDownstreamTransport(chain.transportSocket, `${path}.transport_socket`, deps, findings, secrets),
    handshakeTimeoutMs:
      findings.durationMs(`${path}.transport_socket_connect_timeout`, chain.transportSocketConnectTimeout) ??
      0,
    http,
    tcp,
  };
}
