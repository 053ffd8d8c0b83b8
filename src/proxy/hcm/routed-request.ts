/** A request and where it goes: its route, and the cluster that was chosen of the route's. */

import type { TimerWheel } from '#core/timer-wheel.ts';
import type { FilterMetadata, MetadataValue } from '#observe/access-record.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { WantedEndpoint } from '../cluster/wanted-endpoint.ts';
import type { ClusterMembers, Direction, LocalReply, ServerHealth } from '../filter/contract.ts';
import { replyTo } from '../reply.ts';
import type { FilterOverrides } from '../route/filter-config.ts';
import type { HashSource } from '../route/hash-policy.ts';
import type { CompiledRoute } from '../route/table.ts';
import { type Chosen, chooseDestination } from './destination.ts';
import type { DownstreamStream } from './downstream-stream.ts';
import { limitDuration } from './duration.ts';
import type { FilterHooks } from './filter-hooks.ts';
import type { FollowedRedirects } from './internal-redirect.ts';
import { hashSourceOf } from './request-hash.ts';
import { mustRedirectToTls } from './request-head.ts';
import type { DownstreamFacts, HcmRuntime } from './runtime.ts';
import { TakenRequest } from './taken-request.ts';
import { allowsUpgrade, asksUpgrade } from './upgrade.ts';

const noConfigs: readonly unknown[] = [];
/** Integers up to here are exact. */
const RANDOM_BELOW = 2 ** 53;

export abstract class RoutedRequest extends TakenRequest {
  readonly stream: DownstreamStream;
  isGrpc = false;
  endpoint: Endpoint | undefined = undefined;
  namedEndpoints: string[] | undefined = undefined;
  wantedEndpoint: WantedEndpoint | undefined = undefined;
  /** What filters keep about this request. */
  readonly slots: unknown[] = [];
  readonly peerPresented: boolean;
  readonly peerValidated: boolean;
  /** Its filters, by the route that was found first. */
  hooks: FilterHooks;
  /** Redirects of upstreams that were followed for it; undefined where none was. */
  redirects: FollowedRedirects | undefined = undefined;
  /** Counted among the upgrades under way. */
  protected upgrading = false;
  #route: CompiledRoute | undefined = undefined;
  #chosen: Chosen | undefined = undefined;
  /** Why there is no cluster for a route that forwards. */
  #unchosen: LocalReply | undefined = undefined;
  #overrides: FilterOverrides | undefined = undefined;
  #redirectsToTls = false;
  /** Whether the route is to be looked for again. */
  #cleared = false;
  #random = -1;

  constructor(stream: DownstreamStream, runtime: HcmRuntime) {
    super(stream.facts, runtime);
    const { peer } = stream.facts;
    this.stream = stream;
    this.peerPresented = peer.presented;
    this.peerValidated = peer.validated;
    this.hooks = runtime.chains.plain;
  }

  abstract resume(reply?: LocalReply): void;

  get facts(): DownstreamFacts {
    return this.stream.facts;
  }

  get direction(): Direction {
    return this.runtime.settings.direction;
  }

  get health(): Readonly<ServerHealth> {
    return this.runtime.health;
  }

  get membersOf(): (cluster: string) => ClusterMembers | undefined {
    return this.runtime.membersOf;
  }

  get wheel(): TimerWheel {
    return this.runtime.wheel;
  }

  get randomValue(): number {
    if (this.#random === -1) this.#random = this.runtime.random.below(RANDOM_BELOW);
    return this.#random;
  }

  get route(): CompiledRoute | undefined {
    if (this.#cleared) this.#findAgain();
    return this.#route;
  }

  get cluster(): ClusterRuntime | undefined {
    return this.chosen?.cluster;
  }

  get clusterMetadata(): FilterMetadata | undefined {
    return this.#chosen?.cluster.metadata?.filterMetadata;
  }

  get endpointMetadata(): FilterMetadata | undefined {
    return this.endpoint?.metadata?.filterMetadata;
  }

  get routeMetadata(): FilterMetadata | undefined {
    return this.#route?.metadata?.filterMetadata;
  }

  get upstreamHostname(): string {
    return this.endpoint?.hostname ?? '';
  }

  protected get chosen(): Chosen | undefined {
    if (this.#cleared) this.#findAgain();
    return this.#chosen;
  }

  protected get unchosen(): LocalReply | undefined {
    if (this.#cleared) this.#findAgain();
    return this.#unchosen;
  }

  protected get redirectsToTls(): boolean {
    if (this.#cleared) this.#findAgain();
    return this.#redirectsToTls;
  }

  /** For a choice between clusters: no cookie is set by it. */
  hashSource(): HashSource {
    return hashSourceOf(this, () => {});
  }

  clearRoute(): void {
    this.#cleared = true;
  }

  awaitHost(): (() => void) | undefined {
    const { virtualHosts } = this.runtime.routes() ?? {};
    if (virtualHosts === undefined || this.route !== undefined || this.redirectsToTls) return undefined;
    const { hostDemand } = this.runtime;
    return hostDemand.wait(virtualHosts.key, this.authority.toLowerCase(), (found) => this.#goOn(found));
  }

  /** @param found whether there is a virtual host now; without one nothing is looked for again (Envoy) */
  #goOn(found: boolean): void {
    if (found) this.clearRoute();
    const forwards = found && this.route?.action.kind === 'forward';
    if (forwards && !this.upgrading && !this.mayUpgrade()) {
      this.stream.drain();
      this.resume(replyTo('UPGRADE_REFUSED'));
    } else this.resume();
  }

  routeConfigs(filterName: string): readonly unknown[] {
    if (this.#cleared) this.#findAgain();
    return this.#overrides === undefined ? noConfigs : this.#overrides.configs(filterName);
  }

  routeConfig(filterName: string): unknown {
    return this.routeConfigs(filterName).at(-1);
  }

  setMetadata(namespace: string, fields: Readonly<Record<string, MetadataValue>>): void {
    this.metadata = { ...this.metadata, [namespace]: { ...this.metadata?.[namespace], ...fields } };
  }

  /** Whose filters are the request's from now on. */
  protected findFirstRoute(): void {
    this.#findRoute();
    if (this.#overrides !== undefined) this.hooks = this.runtime.chains.of(this.#overrides);
  }

  #findAgain(): void {
    this.#cleared = false;
    this.#route = undefined;
    this.#chosen = undefined;
    this.#unchosen = undefined;
    this.#overrides = undefined;
    this.#redirectsToTls = false;
    this.routeName = '';
    this.upstreamCluster = '';
    this.#findRoute();
  }

  #findRoute(): void {
    const { runtime } = this;
    const table = runtime.routes();
    const route = table?.find(this);
    const host = route === undefined ? table?.findHost(this) : route.host;
    if (mustRedirectToTls(host, this.requestHeaders)) {
      this.#redirectsToTls = true;
      return;
    }
    this.#route = route;
    if (route === undefined) return;
    this.routeName = route.name;
    this.#overrides = route.filters;
    if (route.action.kind !== 'forward') return;
    const chosen = chooseDestination(this, route.action, runtime);
    if ('status' in chosen) {
      this.#unchosen = chosen;
      return;
    }
    this.upstreamCluster = chosen.cluster.shownName;
    this.#chosen = chosen;
    this.#overrides = chosen.destination.filters ?? route.filters;
    const { timeouts } = chosen.action;
    if (timeouts.idleMs !== undefined) this.armIdle(timeouts.idleMs);
    limitDuration(this, timeouts, runtime.settings.maxStreamDurationMs);
  }

  /** @returns whether the protocol may be changed, which counts as done; without a route there is nothing to say. */
  protected mayUpgrade(): boolean {
    if (!asksUpgrade(this) || this.redirectsToTls) return true;
    const { settings, stats } = this.runtime;
    if (allowsUpgrade(this, this.route?.action, settings)) {
      this.upgrading = true;
      stats.downstream_cx_upgrades_total.inc();
      stats.downstream_cx_upgrades_active.add(1);
      return true;
    }
    if (this.route === undefined) return true;
    stats.downstream_rq_ws_on_non_ws_route.inc();
    return false;
  }
}
