/** `VirtualHost.virtual_clusters`: requests that are counted by themselves. */
import type { VirtualCluster } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { compileHeaderMatch, type HeaderMatch, type HeaderSource } from './header-match.ts';
import type { TableContext } from './level.ts';
import { RouteStats } from './route-stats.ts';

export interface CountedCluster {
  readonly name: string;
  /** In access logs: that of others has no name there (Envoy). */
  readonly loggedName: string;
  readonly stats: RouteStats;
}

/** Of those that no other one takes. */
const OTHER = 'other';

/** The first whose matchers all hold; there is one always. */
export type FindVirtualCluster = (source: HeaderSource) => CountedCluster;

/** Undefined where there are none. */
export function compileVirtualClusters(
  clusters: readonly VirtualCluster[],
  host: string,
  path: string,
  { figures, findings }: TableContext,
): FindVirtualCluster | undefined {
  if (clusters.length === 0) return undefined;
  const compiled = clusters.map(({ name, headers }, i) => {
    const at = `${path}[${i}]`;
    if (name === '') findings.error(`${at}.name`, 'is missing');
    if (headers.length === 0) findings.error(`${at}.headers`, 'is missing');
    const matchers = headers.map(
      (matcher, h): HeaderMatch => compileHeaderMatch(matcher, `${at}.headers[${h}]`, findings),
    );
    return { name, loggedName: name, matchers, stats: RouteStats.ofVirtualCluster(host, name) };
  });
  const other: CountedCluster = {
    name: OTHER,
    loggedName: '',
    stats: RouteStats.ofVirtualCluster(host, OTHER),
  };
  figures.push(...compiled.map(({ stats }) => stats), other.stats);
  return (source) => compiled.find(({ matchers }) => matchers.every((matches) => matches(source))) ?? other;
}
