/** Which figures besides those of its cluster a request is counted in. */
import type { RouteStats } from '../route/route-stats.ts';
import type { HttpExchange } from './exchange.ts';

export const noFigures: readonly RouteStats[] = [];

/** Of the virtual cluster it is of, whose name the access log shows from then on, and of its route. */
export function figuresOf(exchange: HttpExchange): readonly RouteStats[] {
  const { host, stats } = exchange.route!;
  if (stats === undefined && host.virtualCluster === undefined) return noFigures;
  const cluster = host.virtualCluster?.(exchange);
  if (cluster !== undefined) exchange.virtualClusterName = cluster.loggedName;
  return [cluster?.stats, stats].filter((figures) => figures !== undefined);
}
