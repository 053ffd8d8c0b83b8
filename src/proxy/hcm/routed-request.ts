/** A request and where it goes: its route, and the cluster that was chosen of the route's. */
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { Direction, LocalReply } from '../filter/contract.ts';
import type { CompiledRoute } from '../route/table.ts';
import { type Chosen, chooseDestination } from './destination.ts';
import type { DownstreamStream } from './downstream-stream.ts';
import { limitDuration } from './duration.ts';
import { mustRedirectToTls } from './request-head.ts';
import type { HcmRuntime } from './runtime.ts';
import { TakenRequest } from './taken-request.ts';
import { allowsUpgrade, asksUpgrade } from './upgrade.ts';

export abstract class RoutedRequest extends TakenRequest {
  readonly stream: DownstreamStream;
  isGrpc = false;
  route: CompiledRoute | undefined = undefined;
  cluster: ClusterRuntime | undefined = undefined;
  endpoint: Endpoint | undefined = undefined;
  /** What filters keep about this request. */
  readonly slots: unknown[] = [];
  readonly peerPresented: boolean;
  readonly peerValidated: boolean;
  protected chosen: Chosen | undefined = undefined;
  /** Why there is no cluster for a route that forwards. */
  protected unchosen: LocalReply | undefined = undefined;
  protected redirectsToTls = false;
  /** Counted among the upgrades under way. */
  protected upgrading = false;

  constructor(stream: DownstreamStream, runtime: HcmRuntime) {
    super(stream.facts, runtime);
    const { peer } = stream.facts;
    this.stream = stream;
    this.peerPresented = peer.presented;
    this.peerValidated = peer.validated;
  }

  get direction(): Direction {
    return this.runtime.settings.direction;
  }

  ratio(): number {
    return this.runtime.random.ratio();
  }

  protected findRoute(): void {
    const { runtime } = this;
    const table = runtime.routes();
    const route = table?.find(this);
    const host = route === undefined ? table?.findHost(this.authority) : route.host;
    if (mustRedirectToTls(host, this.requestHeaders)) {
      this.redirectsToTls = true;
      return;
    }
    this.route = route;
    if (route === undefined) return;
    this.routeName = route.name;
    if (route.action.kind !== 'forward') return;
    const chosen = chooseDestination(this, route.action, runtime);
    if ('status' in chosen) {
      this.unchosen = chosen;
      return;
    }
    this.upstreamCluster = chosen.cluster.name;
    this.chosen = chosen;
    this.cluster = chosen.cluster;
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
