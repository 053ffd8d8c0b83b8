/** A cluster in force: its endpoints, how one is chosen, its pools, limits and figures. */
import { atOnce, type Steps } from '#core/time-slice.ts';
import type { TimerWheel } from '#core/timer-wheel.ts';
import type { Word64 } from '#core/word64.ts';
import type { H2Surroundings } from '#http/codec/h2/connection-events.ts';
import type { Counter } from '#observe/metrics-contract.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { ClusterStatus, EndpointStatus } from '../contract.ts';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { DnsCache } from '../dns/cache.ts';
import { jsonEquals } from '../json-equal.ts';
import type { InternalListeners } from '../pool/connect.ts';
import type { ConnectionPool } from '../pool/contract.ts';
import { EndpointPools, type PooledDownstream } from '../pool/endpoint-pools.ts';
import { TcpUpstream } from '../pool/tcp-upstream.ts';
import type { UpstreamTransport } from '../tls/upstream.ts';
import type { AssignedEndpoint } from './assignment.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { DynamicHosts } from './dynamic-hosts.ts';
import { Endpoint } from './endpoint.ts';
import { HostSet } from './host-set.ts';
import { OriginalDestinations } from './original-destinations.ts';
import type { ClusterSettings } from './settings.ts';
import { type ClusterStats, createClusterStats } from './stats.ts';

export interface ClusterDeps extends DataPathDeps {
  readonly wheel: TimerWheel;
  readonly internal: InternalListeners;
  readonly dns: DnsCache;
  /** What HTTP/2 connections share. */
  readonly h2: H2Surroundings;
  /** A mistake of ours while something of one request was done: it is logged and counted. */
  onException(error: unknown): void;
}

const TRANSPORT_MATCH = 'envoy.transport_socket_match';
/** Counts endpoints that no match is for, under Envoy's name. */
const UNMATCHED_COUNTER = 'default.total_match_count';

export class ClusterRuntime {
  readonly settings: ClusterSettings;
  readonly name: string;
  readonly metadata: Metadata | undefined;
  readonly stats: ClusterStats;
  readonly breaker: CircuitBreaker;
  /** Only for clusters whose endpoints are the hosts requests name. */
  readonly dynamic: DynamicHosts | undefined;
  /** Only for clusters whose endpoints are where connections were made to. */
  readonly original: OriginalDestinations | undefined;
  readonly #deps: ClusterDeps;
  readonly #hosts: HostSet;
  /** Endpoints that took the cluster's own transport. */
  readonly #unmatched: Counter;
  #byKey: ReadonlyMap<string, Endpoint> = new Map();
  #replacements = 0;
  #closed = false;

  constructor(settings: ClusterSettings, deps: ClusterDeps) {
    this.settings = settings;
    this.name = settings.name;
    this.metadata = settings.metadata;
    this.#deps = deps;
    this.stats = createClusterStats(deps.metrics, settings.name);
    for (const transport of this.#transports()) transport.open(this.stats.scope);
    this.#unmatched = this.stats.scope.counter(UNMATCHED_COUNTER);
    settings.pool.binding?.count(this.stats.scope);
    this.breaker = new CircuitBreaker(settings.circuit, deps.sharedCounts?.('cluster', settings.name));
    this.dynamic =
      settings.kind === 'dynamic-forward-proxy' ? new DynamicHosts(settings.transport, deps.dns) : undefined;
    this.original = this.#originalDestinations();
    const { choiceCount, activeRequestBias, policy, panicThreshold, localityWeighted } = settings;
    this.#hosts = new HostSet({
      policy,
      panicThreshold,
      localityWeighted,
      settings: {
        random: deps.random,
        choiceCount,
        activeRequestBias,
        activeRequests: () => this.stats.upstream_rq_active.value,
        report: (name, value) => this.stats.scope.gauge(name).set(value),
      },
      onPanic: () => this.stats.lb_healthy_panic.inc(),
    });
  }

  #originalDestinations(): OriginalDestinations | undefined {
    const { originalDestination } = this.settings;
    if (originalDestination === undefined) return undefined;
    return new OriginalDestinations(originalDestination, {
      name: this.name,
      transport: () => this.#transportFor(undefined),
      wheel: this.#deps.wheel,
      invalid: this.stats.scope.counter('original_dst_host_invalid'),
      onChange: () => {
        const { membership_change, membership_total, membership_healthy } = this.stats;
        const { size } = this.original!;
        membership_change.inc();
        membership_total.set(size);
        membership_healthy.set(size);
      },
    });
  }

  setEndpoints(assigned: readonly AssignedEndpoint[]): void {
    atOnce(this.replaceEndpoints(assigned));
  }

  /**
   * Takes the place of the endpoints there were, all at the same time; those that stay keep their connections.
   * Gives way to a call that comes while it is under way.
   */
  *replaceEndpoints(assigned: readonly AssignedEndpoint[]): Steps<void> {
    const replacement = ++this.#replacements;
    const next = new Map<string, Endpoint>();
    let fresh = 0;
    for (const { address, target, traits } of assigned) {
      const transport = this.#transportFor(traits.metadata);
      const key = `${address}|${transport.key}|${traits.hostname}`;
      if (next.has(key)) continue;
      const known = this.#byKey.get(key);
      if (known !== undefined) {
        Object.assign(known.traits, traits);
        known.transport = transport;
        next.set(key, known);
      } else {
        next.set(key, new Endpoint(target, address, { ...traits }, transport));
        fresh++;
      }
      yield;
      if (replacement !== this.#replacements) return;
    }
    // In the order of the assignment, as hash tables may depend on it.
    const endpoints = [...next.values()];
    if (!(yield* this.#hosts.replace(endpoints))) return;
    const before = this.#byKey;
    this.#byKey = next;
    this.#countMembers(endpoints, fresh > 0 || before.size > next.size);
    for (const [key, endpoint] of before) {
      if (next.has(key)) continue;
      endpoint.removed = true;
      endpoint.pool?.drain();
      yield;
    }
  }

  #countMembers(endpoints: readonly Endpoint[], changed: boolean): void {
    if (changed) this.stats.membership_change.inc();
    let healthy = 0;
    for (const { traits } of endpoints) if (traits.healthy) healthy++;
    this.stats.membership_total.set(endpoints.length);
    this.stats.membership_healthy.set(healthy);
    this.stats.update_success.inc();
  }

  /** Whether endpoints are made for the hosts that requests name. */
  get isDynamic(): boolean {
    return this.dynamic !== undefined;
  }

  /** Whether endpoints are made when somebody asks for them, one for each request. */
  get isOnDemand(): boolean {
    return this.dynamic !== undefined || this.original !== undefined;
  }

  /**
   * Undefined where there is none to be had.
   *
   * @param hash of the request, where the policy hashes; read, not kept.
   * @param attempt how many endpoints picked for it were turned down before.
   */
  pick(hash?: Word64, attempt?: number): Endpoint | undefined {
    const endpoint = this.#hosts.pick(hash, attempt);
    if (endpoint === undefined) this.stats.upstream_cx_none_healthy.inc();
    return endpoint;
  }

  /**
   * @param downstreamMajor version of HTTP the request came by; some clusters follow it.
   * @param downstream the connection it came by; some endpoints are told of it.
   * @param serverName the server it is for, where the cluster asks for TLS by that; '' else.
   */
  poolOf(
    endpoint: Endpoint,
    downstreamMajor: 1 | 2,
    downstream: PooledDownstream,
    serverName = '',
  ): ConnectionPool {
    let { pool } = endpoint;
    if (pool === undefined) {
      pool = new EndpointPools(endpoint, this.settings.pool, this.breaker, this.stats, this.#deps);
      endpoint.pool = pool;
    }
    const { originalSource } = downstream;
    if (originalSource !== undefined) pool = pool.from(originalSource);
    return pool.of(downstreamMajor, downstream, serverName);
  }

  /** A plain connection for one request (CONNECT). */
  tcpPoolOf(endpoint: Endpoint, downstream: PooledDownstream): ConnectionPool {
    const { proxyHeader } = endpoint.transport;
    const { originalSource } = downstream;
    return new TcpUpstream(endpoint, this, {
      ...this.#deps,
      ...(proxyHeader !== undefined && { downstream }),
      ...(originalSource !== undefined && { originalSource }),
    });
  }

  get endpoints(): readonly Endpoint[] {
    return this.#hosts.endpoints;
  }

  /** What runs goes on; nothing new begins. */
  *drain(): Steps<void> {
    this.#closed = true;
    this.original?.close();
    for (const transport of this.#transports()) transport.close();
    for (const endpoint of this.#all()) {
      endpoint.removed = true;
      endpoint.pool?.drain();
      yield;
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  close(): void {
    atOnce(this.drain());
    for (const endpoint of this.#all()) {
      endpoint.pool?.close();
      endpoint.closeTunnels();
    }
  }

  #all(): Endpoint[] {
    return [...this.#byKey.values(), ...(this.dynamic?.endpoints ?? []), ...(this.original?.endpoints ?? [])];
  }

  status(): ClusterStatus {
    return {
      name: this.name,
      addedViaApi: true,
      endpoints: statusesOf(this.#all()),
    };
  }

  #transports(): UpstreamTransport[] {
    const { transport, transportMatches } = this.settings;
    return [transport, ...transportMatches.map((match) => match.transport)];
  }

  /** The first match whose criteria the endpoint's metadata meets; else the cluster's own transport. */
  #transportFor(metadata: Metadata | undefined): UpstreamTransport {
    const { transport, transportMatches } = this.settings;
    if (transportMatches.length === 0) {
      this.#unmatched.inc();
      return transport;
    }
    const values = (metadata?.filterMetadata[TRANSPORT_MATCH] ?? {}) as Record<string, unknown>;
    const match = transportMatches.find(({ criteria }) =>
      Object.entries(criteria).every(([key, wanted]) => jsonEquals(values[key], wanted)),
    );
    if (match === undefined) this.#unmatched.inc();
    else this.stats.scope.counter(`${match.name}.total_match_count`).inc();
    return match?.transport ?? transport;
  }
}

function* statusesOf(endpoints: readonly Endpoint[]): Generator<EndpointStatus, void, undefined> {
  for (const endpoint of endpoints) yield endpoint.status();
}
