/** The filter that ends a chain and serves its connections: an HTTP connection manager or one without HTTP. */
import type { Duplex } from 'node:stream';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import { openLogs } from '../hcm/access-log-settings.ts';
import { FilterChains } from '../hcm/filter-hooks.ts';
import { createDate, type HcmRuntime } from '../hcm/runtime.ts';
import { serveHttp } from '../hcm/serve.ts';
import type { HcmSettings } from '../hcm/settings.ts';
import { createHttpStats } from '../hcm/stats.ts';
import { calm } from '../overload/state.ts';
import { createTcpTerminal, type LimitedConnection } from '../tcp/terminal.ts';
import type { AcceptedConnection, Served } from './accepted.ts';
import type { ChainSurroundings } from './chain.ts';
import type { ChainSettings } from './chain-settings.ts';
import type { ListenerDeps } from './listener.ts';
import { createListenerHttpCounter } from './listener-stats.ts';

export interface Terminal {
  /** @param socket plain, or with TLS around it. @returns undefined where it was closed at once. */
  serve(socket: Duplex, connection: AcceptedConnection): Served | undefined;
  /** Counts a connection that it never got: to Envoy it was there from the start. */
  countRefused(secure: boolean, limited?: LimitedConnection): void;
  /** Whether responses ask for the connection to be closed. */
  setDraining(draining: boolean): void;
}

/** @throws the system's error where a log cannot be opened. */
export function createTerminal(
  { http, tcp }: Pick<ChainSettings, 'http' | 'tcp'>,
  { metrics, writeLog, statAddress, deps }: ChainSurroundings,
): Terminal {
  if (http !== undefined) return httpTerminal(http, metrics, statAddress, deps);
  if (tcp === undefined) return closing;
  const terminal = createTcpTerminal(tcp, metrics, writeLog ?? ignore, deps);
  return {
    serve: (socket, connection) => terminal.serve(socket, connection),
    countRefused: (_, limited) => terminal.countRefused(limited),
    setDraining: (draining) => terminal.setDraining(draining),
  };
}

/** A chain without filters closes its connections (Envoy). */
const closing: Terminal = {
  serve(socket) {
    socket.destroy();
    return undefined;
  },
  countRefused() {},
  setDraining() {},
};

/** The table in force, now and at each request. */
function routesOf({ inlineRoutes, routes }: HcmSettings, deps: ListenerDeps): HcmRuntime['routes'] {
  if (routes === undefined) return () => inlineRoutes;
  const { key } = routes;
  return () => deps.routes(key);
}

function httpTerminal(
  http: HcmSettings,
  metrics: MetricRegistry,
  statAddress: string,
  deps: ListenerDeps,
): Terminal {
  const stats = createHttpStats(metrics, http.statPrefix);
  const countAtListener = createListenerHttpCounter(metrics, statAddress, http.statPrefix);
  const runtime: HcmRuntime = {
    settings: http,
    chains: new FilterChains(http.filters, (error) => deps.onException(error), deps.extensions),
    stats: {
      ...stats,
      countStatus(status) {
        stats.countStatus(status);
        countAtListener(status);
      },
    },
    writeLog: openLogs(http.logs, deps),
    clock: deps.clock,
    wheel: deps.wheel,
    random: deps.random,
    connecting: deps,
    localAddress: deps.localAddress,
    routes: routesOf(http, deps),
    hostDemand: deps.hostDemand,
    cluster: (name) => deps.cluster(name),
    onException: (error) => deps.onException(error),
    overload: deps.overload ?? calm,
    health: deps.health,
    membersOf(name) {
      const stats = deps.cluster(name)?.stats;
      return stats && { total: stats.membership_total.value, healthy: stats.membership_healthy.value };
    },
    h2: { ...deps.h2, flushScale: (deps.overload ?? calm).timers.streamFlush },
    log: deps.log,
    date: createDate(deps.clock),
    draining: false,
  };
  for (const one of http.inlineRoutes?.figures ?? []) one.open(metrics);
  return {
    serve: (socket, connection) => serveHttp(socket, connection, runtime, ignore),
    countRefused(secure) {
      stats.downstream_cx_total.inc();
      if (secure) stats.downstream_cx_ssl_total.inc();
    },
    setDraining(draining) {
      runtime.draining = draining;
    },
  };
}

function ignore(): void {}
