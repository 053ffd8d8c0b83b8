/** Resources of a small mesh in which everything changes: step by step another version of each kind. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { ResourceKind } from '#xds/resource-type.ts';

const TYPES = 'type.googleapis.com/envoy';

/** Names of what is changed in turn. */
const movements = [
  'endpoints',
  'cluster',
  'routes',
  'listener',
  'other clusters',
  'other listeners',
] as const;

export interface MovingResource {
  readonly kind: ResourceKind;
  /** ProtoJSON. */
  readonly json: JsonValue;
}

/** What there is after `step` changes, one of a kind each; requests to `web` go to one of `ports`. */
export function movingResources(step: number, ports: readonly number[]): MovingResource[] {
  const changes = (movement: (typeof movements)[number]): number =>
    Math.floor((step + movements.length - 1 - movements.indexOf(movement)) / movements.length);
  const shown = changes('endpoints') % (ports.length + 1);
  const chosen = shown === 0 ? ports : ports.slice(shown - 1, shown);
  const others = changes('other clusters') % 3;
  const listeners = changes('other listeners') % 3;
  return [
    { kind: 'cluster', json: edsCluster('app', 5 + (changes('cluster') % 2)) },
    ...Array.from({ length: others }, (_, i) => ({
      kind: 'cluster' as const,
      json: edsCluster(`other-${i}`, 5),
    })),
    { kind: 'endpoint', json: assignment('app', chosen) },
    ...Array.from({ length: others }, (_, i) => ({
      kind: 'endpoint' as const,
      json: assignment(`other-${i}`, []),
    })),
    { kind: 'listener', json: listener('web', changes('listener') % 2) },
    ...Array.from({ length: listeners }, (_, i) => ({
      kind: 'listener' as const,
      json: listener(`other-${i}`, 0),
    })),
    { kind: 'route', json: routes('r', changes('routes') % 4) },
  ];
}

const fromAds: JsonObject = { ads: {}, resourceApiVersion: 'V3' };

const edsCluster = (name: string, seconds: number): JsonObject => ({
  name,
  type: 'EDS',
  connectTimeout: `${seconds}s`,
  edsClusterConfig: { edsConfig: fromAds },
});

const assignment = (clusterName: string, ports: readonly number[]): JsonObject => ({
  clusterName,
  endpoints: [
    {
      lbEndpoints: ports.map((portValue) => ({
        endpoint: { address: { socketAddress: { address: '127.0.0.1', portValue } } },
      })),
    },
  ],
});

const routes = (name: string, more: number): JsonObject => ({
  name,
  virtualHosts: [
    { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'app' } }] },
    ...Array.from({ length: more }, (_, i) => ({ name: `more-${i}`, domains: [`more-${i}.example`] })),
  ],
});

const listener = (name: string, version: number): JsonObject => ({
  name,
  address: { socketAddress: { address: '127.0.0.1', portValue: 0 } },
  filterChains: [
    {
      filters: [
        {
          name: 'http',
          typedConfig: {
            '@type': `${TYPES}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
            statPrefix: name,
            serverName: `version-${version}`,
            rds: { routeConfigName: 'r', configSource: fromAds },
            httpFilters: [
              {
                name: 'router',
                typedConfig: { '@type': `${TYPES}.extensions.filters.http.router.v3.Router` },
              },
            ],
          },
        },
      ],
    },
  ],
});
