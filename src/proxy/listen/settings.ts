/** A `Listener` message, read once: addresses, filter chains and what each of them does. */
import { create, toBinary } from '@bufbuild/protobuf';
import { TrafficDirection } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type {
  FilterChain,
  ListenerFilter,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import {
  Listener_DrainType as DrainType,
  type Listener,
  ListenerSchema,
} from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { TlsInspectorSchema } from '#xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import type { WantedExtension } from '../contract.ts';
import type { Direction } from '../filter/contract.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import { type LogTarget, readAccessLogs } from '../hcm/access-log-settings.ts';
import { readKeepAlive } from '../keep-alive.ts';
import type { Wanted } from '../resource-source.ts';
import { BUFFER_LIMIT_BYTES } from '../tcp/chain-filter.ts';
import { type BindAddress, readBindAddress } from './bind-address.ts';
import { sameKeys } from './chain-criteria.ts';
import { ChainMatcher } from './chain-match.ts';
import { type ChainSettings, type ListenerReadDeps, readChain } from './chain-settings.ts';
import { digest } from './digest.ts';
import { type FilterSettings, readFilters } from './filter-settings.ts';
import { isDiscovered } from './network-filters.ts';
import { refuseListenerFields } from './unsupported.ts';

export interface ListenerSettings {
  readonly name: string;
  /** Empty for an internal listener. */
  readonly addresses: readonly BindAddress[];
  readonly isInternal: boolean;
  /** Whether it opens sockets; else connections come from other listeners. */
  readonly binds: boolean;
  readonly chains: readonly ChainSettings[];
  readonly defaultChain: ChainSettings | undefined;
  readonly filters: readonly FilterSettings[];
  /** How long filters may look; 0: for ever. */
  readonly filterTimeoutMs: number;
  readonly continuesOnTimeout: boolean;
  /** Whether it takes connections to addresses of others, which the kernel brings it. */
  readonly transparent: boolean;
  /** Whether connections go to the listener of the address they were made to. */
  readonly handsOver: boolean;
  readonly ignoresGlobalLimit: boolean;
  /** Whether the overload manager does nothing to its connections. */
  readonly bypassesOverload: boolean;
  readonly backlog: number;
  /** Whether other processes may bind the same addresses. */
  readonly reusePort: boolean;
  /** How much of a connection may wait to be read or written; undefined: as the runtime has it. */
  readonly bufferLimitBytes: number | undefined;
  /** Whether connections end while health checks are made to fail. */
  readonly drainsWhenUnhealthy: boolean;
  readonly direction: Direction;
  readonly statAddress: string;
  readonly logs: readonly LogTarget[];
  /** Equal for messages that differ in their chains only. */
  readonly frame: () => string;
  readonly secrets: readonly Wanted[];
  readonly routes: readonly Wanted[];
  readonly extensions: readonly WantedExtension[];
}

/** Envoy's default. */
const FILTER_TIMEOUT_MS = 15_000;
/** Linux caps it at `net.core.somaxconn`, which is Envoy's default. */
const BACKLOG = 4096;

const directions: Readonly<Record<number, Direction>> = {
  [TrafficDirection.INBOUND]: 'inbound',
  [TrafficDirection.OUTBOUND]: 'outbound',
};

export function readListener(
  listener: Listener,
  deps: ListenerReadDeps,
  findings: Findings,
): ListenerSettings {
  const secrets: Wanted[] = [];
  refuseListenerFields(listener, findings);
  const isInternal = listener.listenerSpecifier.case === 'internalListener';
  const addresses = isInternal ? [] : readAddresses(listener, findings);
  const direction = directions[listener.trafficDirection] ?? 'unspecified';
  const bufferLimitBytes = listener.perConnectionBufferLimitBytes ?? BUFFER_LIMIT_BYTES;
  const read = (chain: FilterChain, path: string): ChainSettings =>
    readChain(chain, { path, listener: listener.name, deps, direction, bufferLimitBytes, secrets }, findings);
  const chains = listener.filterChains.map((chain, i) => read(chain, `filter_chains[${i}]`));
  const defaultChain =
    listener.defaultFilterChain && read(listener.defaultFilterChain, 'default_filter_chain');
  if (chains.length === 0 && defaultChain === undefined) findings.error('filter_chains', 'is missing');
  if (!findings.failed) checkChains(chains, findings);
  warnOfBlindness(listener, findings);
  const all = chainsOf({ chains, defaultChain });
  const text = addresses[0]?.text ?? 'internal';
  const handsOver = listener.useOriginalDst === true;
  const transparent = listener.transparent === true;
  if (transparent && deps.makeTransparent === undefined) {
    findings.error('transparent', 'needs a call that this system does not have');
  }
  const filters = readFilters(listener.listenerFilters, handsOver, deps, findings);
  return {
    name: listener.name === '' ? text : listener.name,
    addresses,
    isInternal,
    binds: listener.bindToPort !== false,
    chains,
    defaultChain: defaultChain && { ...defaultChain, key: () => `default ${defaultChain.key()}` },
    filters,
    filterTimeoutMs:
      findings.durationMs('listener_filters_timeout', listener.listenerFiltersTimeout) ?? FILTER_TIMEOUT_MS,
    continuesOnTimeout: listener.continueOnListenerFiltersTimeout,
    transparent,
    handsOver,
    ignoresGlobalLimit: listener.ignoreGlobalConnLimit || isInternal,
    bypassesOverload: listener.bypassOverloadManager,
    backlog: listener.tcpBacklogSize ?? BACKLOG,
    reusePort: listener.enableReusePort ?? listener.reusePort,
    bufferLimitBytes: listener.perConnectionBufferLimitBytes,
    drainsWhenUnhealthy: listener.drainType === DrainType.DEFAULT,
    direction,
    statAddress: listener.statPrefix !== '' ? listener.statPrefix : text.replaceAll(':', '_'),
    logs: readAccessLogs(listener.accessLog, 'access_log', findings, deps),
    frame: digest(() => frameOf(listener)),
    secrets,
    extensions: [
      ...filters.flatMap(({ create }) => (typeof create === 'function' ? [] : create.wanted)),
      ...all.flatMap(extensionsOf),
    ],
    routes: all.flatMap(({ http }) => (http?.routes === undefined ? [] : [http.routes])),
  };
}

function extensionsOf({ placed, http }: ChainSettings): WantedExtension[] {
  return [
    ...placed.flatMap((one) => (isDiscovered(one) ? one.wanted : [])),
    ...(http?.filters ?? []).flatMap(({ discovered }) => discovered?.wanted ?? []),
  ];
}

/** All of them. */
export function chainsOf({
  chains,
  defaultChain,
}: Pick<ListenerSettings, 'chains' | 'defaultChain'>): readonly ChainSettings[] {
  return defaultChain === undefined ? chains : [...chains, defaultChain];
}

/** Two chains that one connection could match alike are one too many. */
function checkChains(chains: readonly ChainSettings[], findings: Findings): void {
  const matcher = new ChainMatcher<ChainSettings>();
  chains.forEach((chain, i) => {
    const other = matcher.add(chain.match, chain);
    if (other === undefined) return;
    const same = other !== chain && sameKeys(other.match, chain.match);
    findings.error(
      `filter_chains[${i}].filter_chain_match`,
      same
        ? `has the same matching rules as filter_chains[${chains.indexOf(other)}]`
        : `overlaps with the matching rules of filter_chains[${chains.indexOf(other)}]`,
    );
  });
}

/** A chain that asks what no filter finds out takes nothing (so it is in Envoy). */
function warnOfBlindness({ filterChains, listenerFilters }: Listener, findings: Findings): void {
  const type = TlsInspectorSchema.typeName;
  const mayInspect = ({ configType }: ListenerFilter): boolean =>
    configType.case === 'configDiscovery'
      ? configType.value.typeUrls.some((url) => url.endsWith(`/${type}`))
      : typeNameOf(configType.value) === type;
  if (listenerFilters.some(mayInspect)) return;
  filterChains.forEach(({ filterChainMatch: match }, i) => {
    if (match === undefined) return;
    const path = `filter_chains[${i}].filter_chain_match`;
    const never = 'never holds: the listener filter tls_inspector is missing';
    if (match.serverNames.some((name) => name !== '')) findings.warn(`${path}.server_names`, never);
    if (match.transportProtocol === 'tls') findings.warn(`${path}.transport_protocol`, never);
  });
}

function readAddresses(listener: Listener, findings: Findings): BindAddress[] {
  const common = readKeepAlive(listener.tcpKeepalive, 'tcp_keepalive', findings);
  const first = readBindAddress(listener.address, 'address', common, findings);
  const others = listener.additionalAddresses.map(({ address, tcpKeepalive, socketOptions }, i) => {
    const path = `additional_addresses[${i}]`;
    if (socketOptions !== undefined) findings.refuse(`${path}.socket_options`, true);
    const own = readKeepAlive(tcpKeepalive, `${path}.tcp_keepalive`, findings);
    return readBindAddress(address, `${path}.address`, own ?? common, findings);
  });
  return [first, ...others].filter((address) => address !== undefined);
}

/** What an update must leave as it is for the listener to go on with other chains (Envoy, "filter chain only update"). */
function frameOf(listener: Listener): Uint8Array {
  const frame = create(ListenerSchema, { ...listener, filterChains: [] });
  delete frame.defaultFilterChain;
  return toBinary(ListenerSchema, frame);
}
