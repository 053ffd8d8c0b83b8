/** What waits for what, what stays as it is, and what drains while configuration changes. Envoy beside Heddle. */
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '../../support/eventually.ts';
import { isDelta } from '../../support/management-server.ts';
import { Client } from './backend.ts';
import {
  adsBootstrap,
  assignment,
  delta,
  edsCluster,
  listener,
  listenerOf,
  routes,
  routesTo,
} from './resources.ts';
import { playScripts, type Scene, type Script, type Step } from './script.ts';

const untyped = ({ '@type': _, ...resource }: JsonObject): JsonObject => resource;
const bootstrap = adsBootstrap('DELTA_GRPC');
/** A listener to one cluster. */
const web = (to: string, more: JsonObject = {}): JsonObject =>
  listenerOf('web', { route_config: untyped(routesTo('web', to)), ...more });

const warmingSteps: readonly Step[] = [
  {
    name: 'a cluster waits for its endpoints',
    play: ({ send }) => send(delta('cluster', 1, [edsCluster('e')])),
    envoy: [/EDS \+e$/, /dynamic_warming_clusters: e@v1$/],
  },
  {
    name: 'listeners wait for the first clusters',
    async play({ send, backends }) {
      await send(delta('endpoint', 2, [assignment('e', backends[0]!.port)]));
      await send(delta('listener', 2, [web('e')]));
    },
    envoy: [/dynamic_active_clusters: e@v1/, /listener web answers 200 backend 0/],
  },
  {
    name: 'another version of a cluster waits while the one before serves',
    play: ({ send }) =>
      send(delta('cluster', 3, [edsCluster('e', undefined, 'other')]), { unanswered: true }),
    envoy: [/dynamic_warming_clusters: e@v3$/, /listener web answers 200 backend 0/],
  },
  {
    name: 'until its endpoints are there',
    play: ({ send, backends }) => send(delta('endpoint', 4, [assignment('other', backends[1]!.port)])),
    envoy: [/dynamic_active_clusters: e@v3/, /listener web answers 200 backend 1/],
  },
  {
    name: 'another version of a listener waits for its routes while the one before serves',
    play: ({ send }) => send(delta('listener', 5, [listener('web', 'later')])),
    envoy: [/RDS \+later$/, /listener web answers 200 backend 1/],
  },
  {
    name: 'and serves with them',
    play: ({ send }) => send(delta('route', 6, [routes('later', 'later')])),
    envoy: [/listener web answers 200 later/],
  },
  {
    name: 'what waits can be removed',
    async play({ send }) {
      await send(delta('cluster', 7, [edsCluster('never')]), { unanswered: true });
      await send(delta('cluster', 8, [], { removed: ['never'] }));
    },
    envoy: [/EDS \+never/, /EDS -never/],
  },
  {
    name: 'endpoints that do not come in time are not waited for',
    play: ({ send }) =>
      send(
        delta('cluster', 9, [
          edsCluster('late', { resource_api_version: 'V3', ads: {}, initial_fetch_timeout: '0.5s' }),
        ]),
      ),
    envoy: [/dynamic_active_clusters: .*late@v9/],
  },
  {
    name: 'nor are endpoints that are refused',
    async play({ send }) {
      await send(delta('cluster', 10, [edsCluster('bad')]), { unanswered: true });
      await send(
        delta('endpoint', 10, [{ ...assignment('bad', 1), policy: { overprovisioning_factor: 0 } }]),
      );
    },
    envoy: [/dynamic_active_clusters: bad@v10 /],
  },
  {
    name: 'nor are routes that are refused',
    async play({ send }) {
      await send(delta('listener', 11, [listener('bad', 'refused')]));
      await send(
        delta('route', 11, [{ ...routes('refused', 'x'), virtual_hosts: [{ name: 'x', domains: [] }] }]),
      );
    },
    envoy: [/RDS nonce n11-route NACK/, /listener bad answers 404/],
  },
];

// --- endpoints

const at = (port: number, more: JsonObject = {}): JsonObject => ({
  endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
  ...more,
});
const endpoints = (version: number, ...all: readonly JsonObject[]): JsonObject =>
  endpointsOf('e', version, ...all);
const endpointsOf = (name: string, version: number, ...all: readonly JsonObject[]): JsonObject =>
  delta('endpoint', version, [{ ...assignment(name), endpoints: [{ lb_endpoints: [...all] }] }]);
const CONNECTIONS = [
  'cluster.e.upstream_cx_total',
  'cluster.e.upstream_cx_active',
  'cluster.e.membership_total',
];
const changed = (
  name: string,
  version: number,
  of: (scene: Scene) => readonly JsonObject[],
  ...envoy: readonly RegExp[]
): Step => ({
  name,
  play: (scene) => scene.send(endpoints(version, ...of(scene))),
  envoy: [...envoy, new RegExp(`EDS nonce n${version}-endpoint$`)],
  stats: CONNECTIONS,
});

const first = ({ backends }: Scene, more?: JsonObject): JsonObject => at(backends[0]!.port, more);
const second = ({ backends }: Scene, more?: JsonObject): JsonObject => at(backends[1]!.port, more);
const ill: JsonObject = { health_status: 'UNHEALTHY' };
const ONE = /upstream_cx_total 1$/;

const endpointSteps: readonly Step[] = [
  {
    name: 'one connection serves',
    async play(scene) {
      await scene.send(delta('cluster', 1, [edsCluster('e')]));
      await scene.send(endpoints(1, first(scene)));
      await scene.send(delta('listener', 1, [web('e')]));
    },
    envoy: [/listener web answers 200 backend 0/, ONE],
    stats: CONNECTIONS,
  },
  changed('another weight keeps connections', 2, (s) => [first(s, { load_balancing_weight: 7 })], ONE),
  changed(
    'other metadata keeps connections',
    3,
    (s) => [first(s, { metadata: { filter_metadata: { 'envoy.lb': { a: 'b' } } } })],
    ONE,
  ),
  changed('a second endpoint, not healthy, keeps connections', 4, (s) => [first(s), second(s, ill)], ONE),
  changed('another order keeps connections', 5, (s) => [second(s, ill), first(s)], ONE),
  changed('a priority of its own keeps connections', 6, (s) => [first(s)], ONE),
  changed(
    'another endpoint in its place: its connections go',
    7,
    (s) => [second(s)],
    /listener web answers 200 backend 1/,
    /upstream_cx_total 2$/,
    /upstream_cx_active 1$/,
  ),
  changed(
    'an endpoint that is not healthy any more keeps connections',
    8,
    (s) => [second(s, ill)],
    /listener web answers/,
    /upstream_cx_active 1$/,
  ),
  {
    name: 'another version of the cluster begins with connections of its own',
    play: async (scene) => {
      await scene.send(endpoints(9, first(scene)));
      await scene.send(delta('cluster', 10, [{ ...edsCluster('e'), connect_timeout: '3s' }]));
      await scene.send(endpoints(11, first(scene)));
    },
    envoy: [/listener web answers 200 backend 0/, /e@v10/],
    stats: ['cluster.e.upstream_cx_active'],
  },
];

// --- what is removed

/** A request that is under way while something happens. */
const during = async ({ port, backends, note }: Scene, what: () => Promise<void>): Promise<void> => {
  const client = new Client(await port('web'));
  const held = (): number => backends.reduce((sum, backend) => sum + backend.held, 0);
  client.ask('/hold');
  await eventually(() => {
    if (held() === 0) throw new Error('not there');
  });
  await what();
  for (const backend of backends) backend.release();
  note(`under way: ${await client.answer()}`);
  client.end();
};
/** A listener to a cluster of its own with the first endpoint. */
const serving = async (scene: Scene, name: string, version: number): Promise<void> => {
  await scene.send(delta('cluster', version, [edsCluster(name)]), { unanswered: true });
  await eventually(() => {
    const { requests } = scene.servers[0]!.stream('ads');
    const isAsked = requests.some(
      (request) => isDelta(request) && request.resourceNamesSubscribe.includes(name),
    );
    if (!isAsked) throw new Error(`nobody asks for ${name}`);
  });
  await scene.send(endpointsOf(name, version, first(scene)));
  await scene.send(delta('listener', version, [web(name)]));
  await eventually(async () => {
    const client = new Client(await scene.port('web'));
    client.ask('/');
    if (!(await client.answer()).includes('backend 0')) throw new Error('not there yet');
    client.end();
  });
};

const removalSteps: readonly Step[] = [
  {
    name: 'removed: an endpoint, while it has a request',
    async play(scene) {
      await serving(scene, 'one', 1);
      await during(scene, () => scene.send(endpointsOf('one', 2, second(scene))));
    },
    envoy: [/note under way: 200 backend 0/, /listener web answers 200 backend 1/],
  },
  {
    name: 'removed: a cluster, while it has a request',
    async play(scene) {
      await serving(scene, 'two', 3);
      await during(scene, () => scene.send(delta('cluster', 4, [], { removed: ['two'] })));
    },
    envoy: [/note under way: /, /listener web answers 503/],
  },
  {
    name: 'removed: a route, while it has a request',
    async play(scene) {
      await serving(scene, 'three', 5);
      const route_config = untyped(routes('web', 'another'));
      await during(scene, () => scene.send(delta('listener', 6, [listenerOf('web', { route_config })])));
    },
    envoy: [/note under way: 200 backend 0/, /listener web answers 200 another/],
  },
  {
    name: 'removed: a listener, while it has a request',
    async play(scene) {
      await serving(scene, 'four', 7);
      await during(scene, () => scene.send(delta('listener', 8, [], { removed: ['web'] })));
    },
    envoy: [/note under way: 200 backend 0 close/],
  },
  {
    name: 'removed: a listener, and its idle connections when it has drained',
    async play(scene) {
      await serving(scene, 'five', 9);
      const client = new Client(await scene.port('web'));
      client.ask('/');
      scene.note(`before: ${await client.answer()}`);
      await scene.send(delta('listener', 10, [], { removed: ['web'] }));
      await client.closed();
      scene.note('closed');
    },
    envoy: [/note before: 200 backend 0$/, /note closed/],
  },
  {
    name: 'removed: all endpoints, with idle connections',
    async play(scene) {
      await serving(scene, 'six', 11);
      const client = new Client(await scene.port('web'));
      client.ask('/');
      scene.note(`before: ${await client.answer()}`);
      await scene.send(endpointsOf('six', 12));
      client.ask('/');
      scene.note(`after: ${await client.answer()}`);
      client.end();
    },
    envoy: [/note before: 200 backend 0$/, /note after: 503 no healthy upstream/],
    stats: ['cluster.six.upstream_cx_active'],
  },
];

export const scripts: readonly Script[] = [
  { name: 'warming', bootstrap, backends: 2, onlyDecisions: true, steps: warmingSteps },
  { name: 'endpoints in motion', bootstrap, backends: 2, steps: endpointSteps },
  {
    name: 'draining',
    bootstrap,
    backends: 2,
    flags: ['--drain-strategy', 'immediate'],
    onlyDecisions: true,
    steps: removalSteps,
  },
];

if (import.meta.main) playScripts('motion', scripts);
