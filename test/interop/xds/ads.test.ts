/** What is asked and answered over ADS, and what comes of it: Envoy beside Heddle. */
import type { JsonObject } from '@bufbuild/protobuf';
import {
  adsBootstrap,
  assignment,
  cluster,
  delta,
  edsCluster,
  heartbeat,
  listener,
  routes,
  state,
  wrapped,
} from './resources.ts';
import { playScripts, type Script, type Step } from './script.ts';

/** Not refused by its fields alone, for which Envoy refuses the whole response. */
const named = {
  cluster_name: 'x',
  endpoints: [
    {
      lb_endpoints: [{ endpoint: { address: { socket_address: { address: 'name', port_value: 1 } } } }],
    },
  ],
};
const refused = cluster('bad', { load_assignment: named });
const stats = ['cluster_manager.cds.update_success', 'cluster_manager.cds.update_rejected'];

const deltaSteps: readonly Step[] = [
  {
    name: 'clusters and their endpoints',
    async play({ send }) {
      await send(delta('cluster', 1, [cluster('a'), edsCluster('b')]));
      await send(delta('endpoint', 2, [assignment('b', 1)]));
    },
    envoy: [/CDS$/, /CDS nonce n1-cluster$/, /EDS \+b$/, /dynamic_active_clusters: a@v1 b@v1/],
    stats,
  },
  {
    name: 'listeners and their routes',
    async play({ send }) {
      await send(delta('listener', 3, [listener('web', 'r')]));
      await send(delta('route', 4, [routes('r', 'one')]));
    },
    envoy: [/RDS \+r$/, /listener web answers 200 one/, /dynamic_route_configs: r@v4/],
  },
  {
    name: 'another version of the routes',
    play: ({ send }) => send(delta('route', 5, [routes('r', 'two')])),
    envoy: [/listener web answers 200 two/, /RDS nonce n5-route$/],
  },
  {
    name: 'a connection later it says what it has',
    play({ servers }) {
      servers[0]!.stream('ads').end();
    },
    envoy: [/CDS has a=v1,b=v1/, /EDS \+b has b=v2/, /LDS has web=v3/, /RDS \+r has r=v5/],
  },
  {
    name: 'one of two clusters is refused',
    play: ({ send }) => send(delta('cluster', 6, [cluster('c'), refused])),
    envoy: [/CDS nonce n6-cluster NACK/, /dynamic_active_clusters: .*c@v6/],
    stats,
  },
  {
    name: 'a refused version leaves the one before',
    play: ({ send }) => send(delta('cluster', 7, [cluster('a', { load_assignment: named })])),
    envoy: [/CDS nonce n7-cluster NACK/, /a@v1/],
    stats,
  },
  {
    name: 'one name twice in a response',
    play: ({ send }) => send(delta('cluster', 8, [cluster('d'), cluster('d')])),
    envoy: [/CDS nonce n8-cluster/],
    stats,
  },
  {
    name: 'refused routes leave those before',
    play: ({ send }) =>
      send(delta('route', 9, [{ ...routes('r', 'x'), virtual_hosts: [{ name: 'x', domains: [] }] }])),
    envoy: [/RDS nonce n9-route NACK/, /listener web answers 200 two/],
  },
  {
    name: 'a listener is removed, and nobody asks for its routes',
    play: ({ send }) => send(delta('listener', 10, [], { removed: ['web'] })),
    envoy: [/LDS nonce n10-listener/, /RDS -r/],
  },
  {
    name: 'a cluster is removed, and nobody asks for its endpoints',
    play: ({ send }) => send(delta('cluster', 11, [], { removed: ['b'] })),
    envoy: [/CDS nonce n11-cluster/, /EDS -b/],
  },
];

const sotwSteps: readonly Step[] = [
  {
    name: 'clusters and their endpoints',
    async play({ send }) {
      await send(state('cluster', 1, cluster('a'), edsCluster('b')));
      await send(state('endpoint', 1, assignment('b', 1)));
      await send(state('listener', 1, listener('web', 'r')));
      await send(state('route', 1, routes('r', 'one')));
    },
    envoy: [/dynamic_active_clusters: a@1 b@1/, /listener web answers 200 one/],
    stats,
  },
  {
    name: 'one of two clusters is refused',
    play: ({ send }) => send(state('cluster', 2, cluster('a'), edsCluster('b'), cluster('c'), refused)),
    envoy: [/CDS version 1 nonce n2-cluster NACK/, /c@2/],
    stats,
  },
  {
    name: 'what is left out is removed',
    play: ({ send }) => send(state('cluster', 3, cluster('a'))),
    envoy: [/CDS version 3 nonce n3-cluster$/, /dynamic_active_clusters: a@1/],
    stats,
  },
  {
    name: 'an empty list of listeners removes them all',
    play: ({ send }) => send(state('listener', 4)),
    envoy: [/LDS version 4 nonce n4-listener$/, /RDS version 1 nonce n1-route$/],
  },
];

const TTL = '1.5s';
/** A cluster that is sent last: when its time is over, so is that of what was sent before for as long. */
const LATER = 'later';
const later = (version: number, ttl = TTL): JsonObject => ({
  ...delta('cluster', version, [cluster(LATER)], { ttl }),
  nonce: `later-${version}`,
});

const expirySteps: readonly Step[] = [
  {
    name: 'clusters and listeners expire, endpoints and routes stay',
    async play({ send, gone }) {
      await send(delta('cluster', 1, [edsCluster('b'), cluster('kept')]));
      await send(delta('endpoint', 1, [assignment('b', 1)], { ttl: TTL }));
      await send(delta('listener', 1, [listener('web', 'r')]));
      await send(delta('route', 1, [routes('r', 'one')], { ttl: TTL }));
      await send(later(1));
      await gone(LATER);
    },
    envoy: [/dynamic_active_clusters: b@v1 kept@v1/, /listener web answers 200 one/],
  },
  {
    name: 'a cluster goes when its time is over',
    async play({ send, gone }) {
      await send(delta('cluster', 2, [cluster('short')], { ttl: TTL }));
      await gone('short');
    },
    envoy: [/dynamic_active_clusters: b@v1 kept@v1$/],
  },
  {
    name: 'it stays while it is heard of',
    async play({ send, gone }) {
      await send(delta('cluster', 3, [cluster('alive')], { ttl: '3s' }));
      for (let i = 0; i < 4; i++) await send(heartbeat('cluster', `beat-${i}`, 3, 'alive', '30s'));
      await send(later(3, '3s'));
      await gone(LATER);
    },
    envoy: [/alive@v3/, /nonce beat-3$/],
  },
  {
    name: 'a heartbeat without an end makes it stay',
    async play({ send, gone }) {
      await send(delta('cluster', 4, [cluster('alive', { connect_timeout: '3s' })], { ttl: TTL }));
      const { resources, ...rest } = heartbeat('cluster', 'no-end', 4, 'alive', '1s');
      await send({ ...rest, resources: [{ name: 'alive', version: 'v4' }] });
      await send(later(4));
      await gone(LATER);
    },
    envoy: [/alive@v4/],
  },
  {
    name: 'a heartbeat of another version is none',
    play: ({ send }) => send(heartbeat('cluster', 'other', 9, 'alive', '30s')),
    envoy: [/nonce other/],
  },
];

const sotwExpirySteps: readonly Step[] = [
  {
    name: 'a wrapped cluster is taken',
    play: ({ send }) => send(state('cluster', 1, wrapped('a', '30s', cluster('a')), cluster('plain'))),
    envoy: [/dynamic_active_clusters: a@1 plain@1/],
  },
  {
    name: 'and goes when its time is over',
    async play({ send, gone }) {
      await send(state('cluster', 2, wrapped('a', TTL, cluster('a')), cluster('plain')));
      await gone('a');
    },
    envoy: [/dynamic_active_clusters: plain@1$/],
  },
];

const errorSteps: readonly Step[] = [
  {
    name: 'what cannot be had may come yet',
    async play({ send }) {
      await send(delta('cluster', 1, [edsCluster('b')]));
      await send(delta('endpoint', 2, [], { errors: ['b'] }));
    },
    envoy: [/EDS nonce n2-endpoint/, /dynamic_warming_clusters: b@v1/],
  },
  {
    name: 'what is said to be removed is not waited for',
    async play({ send }) {
      await send(delta('cluster', 3, [edsCluster('c')]));
      await send(delta('endpoint', 4, [], { removed: ['c'] }));
    },
    envoy: [/EDS nonce n4-endpoint/, /dynamic_active_clusters: c@v3/],
  },
];

const routeErrorSteps: readonly Step[] = [
  {
    name: 'a listener waits for routes that cannot be had',
    async play({ send }) {
      await send(delta('cluster', 0, []));
      await send(delta('listener', 5, [listener('web', 'r')]));
      await send(delta('route', 6, [], { errors: ['r'] }));
    },
    envoy: [/RDS nonce n6-route/],
  },
];

const viaDelta = adsBootstrap('DELTA_GRPC');
const viaState = adsBootstrap('GRPC');
export const scripts: readonly Script[] = [
  { name: 'ADS, delta', bootstrap: viaDelta, steps: deltaSteps },
  { name: 'ADS, state of the world', bootstrap: viaState, steps: sotwSteps },
  { name: 'ADS, delta: how long resources are good for', bootstrap: viaDelta, steps: expirySteps },
  {
    name: 'ADS, state of the world: how long resources are good for',
    bootstrap: viaState,
    steps: sotwExpirySteps,
  },
  { name: 'ADS, delta: errors of endpoints', bootstrap: viaDelta, steps: errorSteps },
  { name: 'ADS, delta: errors of routes', bootstrap: viaDelta, steps: routeErrorSteps },
];

if (import.meta.main) playScripts('ADS', scripts);
