/** The network filters of a filter chain: what each of them adds to it, and what they are together. */
import type { DescMessage } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Parsed } from '#core/problem.ts';
import type { ExtensionConfigSource } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import type { Filter, FilterChain } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { ConfigSchema as DirectResponseSchema } from '#xds/gen/envoy/extensions/filters/network/direct_response/v3/config_pb.js';
import { EchoSchema } from '#xds/gen/envoy/extensions/filters/network/echo/v3/echo_pb.js';
import { HttpConnectionManagerSchema } from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { ConfigSchema as SetFilterStateSchema } from '#xds/gen/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js';
import { TcpProxySchema } from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import { type Discovered, readDiscovered } from '../discovered.ts';
import type { CataloguedFilter, ConnectionFilter, Direction } from '../filter/contract.ts';
import { Findings, typeNameOf } from '../findings.ts';
import { createCoder } from '../hcm/create-coder.ts';
import { type HcmSettings, readHcm } from '../hcm/settings.ts';
import { isTcpFilter, readTcpFilter } from '../tcp/chain-filter.ts';
import { stateKeys } from '../tcp/filter-state.ts';
import type { NetworkFilter } from '../tcp/network-filter.ts';
import type { TcpTerminalSettings } from '../tcp/terminal.ts';
import type { GateSettings, GuardSettings } from './connection-gate.ts';
import { keepers } from './keepers.ts';

/** What the filters of a chain are together. */
export interface NetworkFilters {
  readonly gates: readonly GateSettings[];
  readonly guards: readonly GuardSettings[];
  /** Without one and the other the chain closes its connections. */
  readonly http: HcmSettings | undefined;
  readonly tcp: TcpTerminalSettings | undefined;
}

/** What one of them adds. */
export interface FilterPart {
  readonly gate?: GateSettings | undefined;
  readonly guard?: GuardSettings | undefined;
  /** What is asked before `tcp`. */
  readonly before?: readonly NetworkFilter[];
  readonly http?: HcmSettings | undefined;
  readonly tcp?: TcpTerminalSettings;
}

/** A filter in its place: what it adds, or where that comes from; a part that is undefined is not there. */
export type PlacedFilter = FilterPart | Discovered<FilterPart | undefined>;

export function isDiscovered(one: PlacedFilter): one is Discovered<FilterPart | undefined> {
  return 'wanted' in one;
}

export interface FilterContext {
  /** Of the chain. */
  readonly path: string;
  /** Name of the listener. */
  readonly listener: string;
  readonly deps: DataPathDeps;
  readonly direction: Direction;
  /** Of the listener's connections. */
  readonly bufferLimitBytes: number;
}

/** `placed` are all of them; the rest is what those are together whose configuration is there. */
export function readNetworkFilters(
  chain: FilterChain,
  context: FilterContext,
  findings: Findings,
): NetworkFilters & { readonly placed: readonly PlacedFilter[] } {
  const reader = new FilterReader(chain, context, findings);
  const placed = chain.filters.flatMap((_, i) => reader.read(i) ?? []);
  const parts = placed.filter((one): one is FilterPart => !isDiscovered(one));
  const filters = together(parts);
  if (filters.http !== undefined) reader.refuseTcpOnly();
  return { ...filters, placed };
}

/** @param parts in their order */
export function together(parts: readonly FilterPart[]): NetworkFilters {
  const last = parts.at(-1);
  const tcp = last?.tcp;
  return {
    gates: parts.flatMap(({ gate }) => gate ?? []),
    guards: parts.flatMap(({ guard }) => guard ?? []),
    http: last?.http,
    tcp: tcp?.kind === 'tcp-proxy' ? { ...tcp, filters: parts.flatMap(({ before }) => before ?? []) } : tcp,
  };
}

const endTypes: ReadonlySet<string> = new Set([
  HttpConnectionManagerSchema.typeName,
  TcpProxySchema.typeName,
  EchoSchema.typeName,
  DirectResponseSchema.typeName,
]);

class FilterReader {
  readonly #filters: FilterChain['filters'];
  readonly #context: FilterContext;
  readonly #findings: Findings;
  readonly #before: NetworkFilter[] = [];
  /** Places of what only `tcp_proxy` asks. */
  readonly #tcpOnly: string[] = [];

  constructor({ filters }: FilterChain, context: FilterContext, findings: Findings) {
    this.#filters = filters;
    this.#context = context;
    this.#findings = findings;
  }

  /** Filters in their order, each once. */
  read(i: number): PlacedFilter | undefined {
    const at = `${this.#context.path}.filters[${i}]`;
    const { name, configType } = this.#filters[i]!;
    if (configType.case === 'configDiscovery') return this.#readDiscovered(i, at);
    const findings = this.#findings;
    const any = configType.value;
    const typeName = typeNameOf(any);
    if (isTcpOnly(typeName)) this.#tcpOnly.push(at);
    const part = this.#readPart(any, { name, at, path: `${at}.typed_config` }, findings);
    this.#before.push(...(part.before ?? []));
    const misplaced = this.#misplaced(typeName, i);
    // Else its type is what is wrong.
    if (misplaced !== undefined && (endTypes.has(typeName) || !findings.failed))
      findings.error(at, misplaced);
    return part;
  }

  /** What a connection manager ends asks nothing of these. */
  refuseTcpOnly(): void {
    for (const at of this.#tcpOnly) this.#findings.error(at, 'is only supported before tcp_proxy');
  }

  #readDiscovered(i: number, at: string): Discovered<FilterPart | undefined> | undefined {
    const { name, configType } = this.#filters[i]!;
    const source = configType.value as ExtensionConfigSource;
    const path = `${at}.config_discovery`;
    source.typeUrls.forEach((url, j) => {
      if (isTcpOnly(nameOfUrl(url))) this.#tcpOnly.push(`${path}.type_urls[${j}]`);
    });
    const load = (config: Any, of: string): Parsed<FilterPart | undefined> => {
      const findings = new Findings();
      const misplaced = this.#misplaced(typeNameOf(config), i);
      if (misplaced !== undefined) findings.error(of, misplaced);
      const part = this.#readPart(config, { name, at: of, path: of }, findings);
      if (this.#offersForTunnel(part))
        findings.error(
          of,
          `"${stateKeys.applicationProtocols}" by name is not supported beside tunneling_config`,
        );
      return findings.result<FilterPart | undefined>(part);
    };
    const refuseType = (typeName: string, typeUrl: string): string | undefined => {
      if (typeName === HttpConnectionManagerSchema.typeName)
        return 'a connection manager is not supported here: write typed_config';
      return this.#isKnown(typeName) ? undefined : `network filter ${typeUrl} is not supported`;
    };
    const rules = { kind: 'network', needsDefault: false, missing: undefined, refuseType, load } as const;
    return readDiscovered<FilterPart | undefined>(name, source, path, rules, this.#findings);
  }

  #isKnown(typeName: string): boolean {
    if (keepers[typeName] !== undefined || isTcpFilter(typeName)) return true;
    return this.#observerOf(typeName) !== undefined;
  }

  #observerOf(typeName: string): CataloguedFilter['loadForConnections'] {
    return this.#context.deps.filters.find((entry) => entry.typeName === typeName)?.loadForConnections;
  }

  #misplaced(typeName: string, i: number): string | undefined {
    const isLast = i === this.#filters.length - 1;
    if (endTypes.has(typeName) === isLast) return undefined;
    if (!isLast) return 'must be the last filter of its chain';
    return 'the last filter must be one that ends a chain, such as tcp_proxy';
  }

  /** The same of filters that are both in the configuration is found by what reads `tcp_proxy`. */
  #offersForTunnel({ before = [], tcp }: FilterPart): boolean {
    const offers = before.some((filter) => filter.keys?.includes(stateKeys.applicationProtocols));
    if (offers) return this.#filters.some(tunnels);
    return tcp?.kind === 'tcp-proxy' && tcp.tunnel !== undefined && this.#filters.some(mayOffer);
  }

  #readPart(any: Any | undefined, place: Place, findings: Findings): FilterPart {
    const { deps, direction, bufferLimitBytes, listener } = this.#context;
    const { path } = place;
    const typeName = typeNameOf(any);
    if (typeName === HttpConnectionManagerSchema.typeName) {
      const message = findings.unpack(path, any, HttpConnectionManagerSchema);
      return { http: message && readHcm(message, { deps, direction, bufferLimitBytes, path }, findings) };
    }
    const keeper = keepers[typeName];
    if (keeper !== undefined) return keeper(any, { path, listener, deps }, findings);
    const before = this.#before;
    const read = readTcpFilter(any, { path, deps, direction, before, bufferLimitBytes }, findings);
    if (read === undefined) return { before: this.#readObserver(any, place, findings) };
    if (read.kind === 'filter') return { before: [read.filter] };
    return read.kind === 'terminal' ? { tcp: read.settings } : {};
  }

  /** A filter of the catalogue that watches connections of `tcp_proxy`. */
  #readObserver(any: Any | undefined, { name, at, path }: Place, findings: Findings): ConnectionFilter[] {
    const known = this.#observerOf(typeNameOf(any));
    if (known === undefined || any === undefined) {
      findings.error(at, `network filter ${any?.typeUrl ?? name} is not supported`);
      return [];
    }
    const { metrics, clock, random, log, buckets, nodeCluster, hostCache } = this.#context.deps;
    const loaded = known(any, path, {
      ...{ metrics, clock, random, log, buckets, nodeCluster, name, createCoder },
      direction: this.#context.direction,
      statPrefix: '',
      slot: 0,
      ...(hostCache !== undefined && { hostCache }),
    });
    findings.problems.push(...loaded.problems);
    return loaded.ok ? [loaded.value] : [];
  }
}

/** Where a filter and its configuration stand. */
interface Place {
  readonly name: string;
  readonly at: string;
  readonly path: string;
}

/** Whether only `tcp_proxy` asks it. */
function isTcpOnly(typeName: string): boolean {
  return keepers[typeName] === undefined && !endTypes.has(typeName);
}

function tunnels({ configType }: Filter): boolean {
  if (configType.case === 'configDiscovery') return configType.value.typeUrls.some(isTypeOf(TcpProxySchema));
  if (typeNameOf(configType.value) !== TcpProxySchema.typeName) return false;
  return new Findings().unpack('', configType.value, TcpProxySchema)?.tunnelingConfig !== undefined;
}

/** What stands there itself has been read already. */
function mayOffer({ configType }: Filter): boolean {
  return (
    configType.case === 'configDiscovery' && configType.value.typeUrls.some(isTypeOf(SetFilterStateSchema))
  );
}

function isTypeOf({ typeName }: DescMessage): (url: string) => boolean {
  return (url) => nameOfUrl(url) === typeName;
}

function nameOfUrl(url: string): string {
  return url.slice(url.lastIndexOf('/') + 1);
}
