/** Where resources come from: files, streams of their own, and a second server. Envoy beside Heddle. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '../../support/eventually.ts';
import {
  ads,
  adsBootstrap,
  assignment,
  cluster,
  delta,
  edsCluster,
  file,
  grpc,
  listener,
  listenerOf,
  ownStream,
  routes,
  routesTo,
  serverCluster,
  state,
} from './resources.ts';
import { type Places, playScripts, type Script, type Step } from './script.ts';

/** Moved into place, as Envoy wants to see it. */
function replace(path: string, ...resources: JsonObject[]): void {
  writeFileSync(`${path}.new`, JSON.stringify({ version_info: '1', resources }));
  renameSync(`${path}.new`, path);
}

const untyped = ({ '@type': _, ...resource }: JsonObject): JsonObject => resource;

/** Static clusters and listeners whose endpoints and routes come from elsewhere. */
const filesBootstrap = ({ folder, servers }: Places): JsonObject => {
  replace(join(folder, 'eds.json'), assignment('e', servers[0]!));
  replace(join(folder, 'rds.json'), routes('r', 'first'));
  return {
    node: { id: 'test', cluster: 'test' },
    static_resources: {
      clusters: [untyped(edsCluster('e', file(join(folder, 'eds.json'))))],
      listeners: [
        untyped(listener('web', 'r', file(join(folder, 'rds.json')))),
        untyped(listenerOf('up', { route_config: untyped(routesTo('up', 'e')) })),
      ],
    },
  };
};

const at = (folder: string, name: string): string => join(folder, name);

const fileSteps: readonly Step[] = [
  {
    name: 'endpoints and routes are taken from files',
    play() {},
    envoy: [/listener web answers 200 first/],
  },
  {
    name: 'a file that is moved into place takes effect',
    play: ({ folder }) => replace(at(folder, 'rds.json'), routes('r', 'second')),
    envoy: [/listener web answers 200 second/],
  },
  {
    name: 'routes of another name change nothing',
    play: ({ folder }) => replace(at(folder, 'rds.json'), routes('other', 'third')),
    envoy: [/listener web answers 200 second/],
  },
  {
    name: 'nor do two of them',
    play: ({ folder }) => replace(at(folder, 'rds.json'), routes('r', 'third'), routes('other', 'third')),
    envoy: [/listener web answers 200 second/],
  },
  {
    name: 'nor does what is no configuration',
    play: ({ folder }) => {
      writeFileSync(at(folder, 'new'), '{"resources": [');
      renameSync(at(folder, 'new'), at(folder, 'rds.json'));
    },
    envoy: [/listener web answers 200 second/],
  },
  {
    name: 'endpoints that are taken away',
    play: ({ folder }) => replace(at(folder, 'eds.json'), assignment('e')),
    envoy: [/listener up answers 503 no healthy upstream/],
  },
  {
    name: 'endpoints of another cluster change nothing',
    play: ({ folder }) => replace(at(folder, 'eds.json'), assignment('other', 1)),
    envoy: [/listener up answers 503 no healthy upstream/],
  },
];

const ownBootstrap =
  (api_type: 'GRPC' | 'DELTA_GRPC') =>
  ({ servers }: Places): JsonObject => ({
    node: { id: 'test', cluster: 'test' },
    static_resources: { clusters: [serverCluster('xds', servers[0]!)] },
    dynamic_resources: {
      cds_config: ownStream(api_type, 'xds'),
      lds_config: ownStream(api_type, 'xds'),
    },
  });

const ownSteps = (api_type: 'GRPC' | 'DELTA_GRPC'): readonly Step[] => {
  const from = ownStream(api_type, 'xds');
  const say =
    api_type === 'GRPC'
      ? state
      : (...[kind, version, ...all]: Parameters<typeof state>) => delta(kind, version, all);
  return [
    {
      name: 'each kind has a stream of its own',
      async play({ send }) {
        await send(say('cluster', 1, cluster('a'), edsCluster('e', from)), { scope: 'cluster' });
        await send(say('endpoint', 2, assignment('e')), { scope: 'endpoint' });
        await send(say('listener', 3, listener('web', 'r', from)), { scope: 'listener' });
        await send(say('route', 4, routes('r', 'one')), { scope: 'route' });
      },
      envoy: [/\[cluster\] CDS/, /\[endpoint\] EDS/, /\[route\] RDS/, /listener web answers 200 one/],
    },
    {
      name: 'routes follow their stream',
      play: ({ send }) => send(say('route', 5, routes('r', 'two')), { scope: 'route' }),
      envoy: [/listener web answers 200 two/],
    },
    {
      name: 'a refused version is refused there',
      play: ({ send }) =>
        send(say('route', 6, { ...routes('r', 'x'), virtual_hosts: [{ name: 'x', domains: [] }] }), {
          scope: 'route',
        }),
      envoy: [/\[route\] RDS .*nonce n6-route NACK/, /listener web answers 200 two/],
    },
    // Envoy does not ask whether it is there where the variant is delta.
    ...(api_type === 'GRPC' ? [lostStep(from)] : []),
  ];
};

const lostStep = (from: JsonObject): Step => ({
  name: 'a source that is no cluster of the bootstrap is refused',
  play: ({ send }) =>
    send(
      state('listener', 7, listener('web', 'r', from), listener('lost', 'r', ownStream('GRPC', 'nowhere'))),
      {
        scope: 'listener',
      },
    ),
  envoy: [/\[listener\] LDS .*nonce n7-listener NACK/],
});

/** One name, and three places it comes from. */
const sameNameSteps: readonly Step[] = [
  {
    name: 'routes of one name come from three sources',
    async play({ send, folder }) {
      replace(at(folder, 'r.json'), routes('r', 'file'));
      await send(delta('cluster', 1, []));
      await send(
        delta('listener', 2, [
          listener('ads', 'r'),
          listener('file', 'r', file(at(folder, 'r.json'))),
          listener('own', 'r', ownStream('GRPC', 'xds')),
        ]),
      );
      await send(delta('route', 3, [routes('r', 'ads')]));
      await send(state('route', 4, routes('r', 'own')), { scope: 'route' });
    },
    envoy: [/listener ads answers 200 ads/, /listener file answers 200 file/, /listener own answers 200 own/],
  },
  {
    name: 'endpoints too',
    async play({ send, folder, servers }) {
      replace(at(folder, 'e.json'), assignment('e'));
      await send(
        delta('cluster', 5, [
          edsCluster('by-ads', ads, 'e'),
          edsCluster('by-file', file(at(folder, 'e.json')), 'e'),
        ]),
      );
      await send(delta('endpoint', 6, [assignment('e', servers[0]!.port)]));
    },
    envoy: [/dynamic_active_clusters: by-ads@v5 by-file@v5/],
  },
];

const fallbackBootstrap =
  (api_type: 'GRPC' | 'DELTA_GRPC') =>
  ({ servers }: Places): JsonObject => ({
    node: { id: 'test', cluster: 'test' },
    layered_runtime: {
      layers: [{ name: 'static', static_layer: { 'envoy.restart_features.xds_failover_support': true } }],
    },
    static_resources: {
      clusters: [serverCluster('first', servers[0]!), serverCluster('second', servers[1]!)],
    },
    dynamic_resources: { ads_config: grpc(api_type, 'first', 'second'), cds_config: ads, lds_config: ads },
  });

const fallbackSteps: readonly Step[] = [
  {
    name: 'the second server is asked while the first is away',
    async play({ servers, send }) {
      // Refused as often as it is tried.
      const refusal = setInterval(() => {
        for (const stream of servers[0]!.streams) stream.end();
      }, 20);
      await eventually(() => servers[1]!.stream('ads'));
      clearInterval(refusal);
      await send(delta('cluster', 1, [cluster('a')]), { server: 1 });
    },
    envoy: [/dynamic_active_clusters: a@v1/],
  },
  {
    name: 'and left when it ends the stream',
    async play({ servers, send }) {
      servers[1]!.stream('ads').end();
      await eventually(() => servers[0]!.stream('ads'));
      await send(delta('cluster', 2, [cluster('b')]), { server: 0 });
    },
    envoy: [/b@v2/],
  },
];

/** Two streams: clusters of one server, listeners of the other. */
const apartBootstrap = ({ servers }: Places): JsonObject => ({
  node: { id: 'test', cluster: 'test' },
  static_resources: {
    clusters: [serverCluster('first', servers[0]!), serverCluster('second', servers[1]!)],
  },
  dynamic_resources: {
    cds_config: ownStream('DELTA_GRPC', 'first'),
    lds_config: ownStream('DELTA_GRPC', 'second'),
  },
});

const apartSteps: readonly Step[] = [
  {
    name: 'each kind is asked for at its server',
    async play({ send }) {
      await send(delta('cluster', 1, [cluster('a')]), { scope: 'cluster' });
      const web = listener('web', 'r', ownStream('DELTA_GRPC', 'first'));
      await send(delta('listener', 1, [web]), { scope: 'listener', server: 1 });
      await send(delta('route', 1, [routes('r', 'one')]), { scope: 'route' });
    },
    envoy: [/asks 0 \[cluster\] CDS/, /asks 0 \[route\] RDS \+r/, /listener web answers 200 one/],
  },
  {
    name: 'what one refuses is nothing to the other',
    async play({ send }) {
      const broken = { ...routes('r', 'x'), virtual_hosts: [{ name: 'x', domains: [] }] };
      await send(delta('route', 2, [broken]), { scope: 'route' });
      await send(delta('cluster', 2, [cluster('b')]), { scope: 'cluster' });
    },
    envoy: [/asks 0 \[route\] RDS nonce n2-route NACK/, /a@v1 b@v2/, /listener web answers 200 one/],
  },
  {
    name: 'one goes, and what it said stays',
    async play({ servers, send }) {
      servers[1]!.close();
      await send(delta('route', 3, [routes('r', 'two')]), { scope: 'route' });
    },
    envoy: [/listener web answers 200 two/, /dynamic_listeners: web/],
  },
  {
    name: 'a listener is removed by nobody else',
    play: ({ send }) => send(delta('cluster', 4, [], { removed: ['b', 'web'] }), { scope: 'cluster' }),
    envoy: [/dynamic_active_clusters: a@v1$/, /listener web answers 200 two/],
  },
];

/** Listeners and clusters that stand in files themselves. */
const allFilesBootstrap = ({ folder, backends }: Places): JsonObject => {
  replace(join(folder, 'cds.json'), staticCluster('up', backends[0]!));
  replace(join(folder, 'lds.json'), web('up'));
  return {
    node: { id: 'test', cluster: 'test' },
    dynamic_resources: {
      cds_config: file(join(folder, 'cds.json')),
      lds_config: file(join(folder, 'lds.json')),
    },
  };
};
const staticCluster = (name: string, port: number): JsonObject =>
  cluster(name, { load_assignment: untyped(assignment(name, port)) });
const web = (to: string): JsonObject => listenerOf('web', { route_config: untyped(routesTo('web', to)) });

const allFilesSteps: readonly Step[] = [
  {
    name: 'clusters and listeners are taken from files',
    play() {},
    envoy: [/dynamic_active_clusters: up@1/, /listener web answers 200 backend 0/],
  },
  {
    name: 'another cluster in the file',
    play: ({ folder, backends }) => replace(at(folder, 'cds.json'), staticCluster('up', backends[1]!.port)),
    envoy: [/listener web answers 200 backend 1/],
  },
  {
    name: 'a listener in the file that is no good',
    play: ({ folder }) =>
      replace(
        at(folder, 'lds.json'),
        listenerOf('web', { route_config: { virtual_hosts: [{ name: 'x', domains: [] }] } }),
      ),
    envoy: [/listener web answers 200 backend 1/],
  },
  {
    name: 'no listener in the file any more',
    play: ({ folder }) => replace(at(folder, 'lds.json')),
    envoy: [/dynamic_active_clusters: up@1/],
  },
];

export const scripts: readonly Script[] = [
  { name: 'files', bootstrap: filesBootstrap, steps: fileSteps },
  ...(['GRPC', 'DELTA_GRPC'] as const).map((api_type) => ({
    name: `streams of their own: ${api_type}`,
    bootstrap: ownBootstrap(api_type),
    steps: ownSteps(api_type),
  })),
  { name: 'one name from several sources', bootstrap: adsBootstrap('DELTA_GRPC'), steps: sameNameSteps },
  {
    name: 'a server to fall back to',
    bootstrap: fallbackBootstrap('DELTA_GRPC'),
    servers: 2,
    onlyDecisions: true,
    steps: fallbackSteps,
  },
  { name: 'several servers', bootstrap: apartBootstrap, servers: 2, steps: apartSteps },
  { name: 'files of everything', bootstrap: allFilesBootstrap, backends: 2, steps: allFilesSteps },
];

if (import.meta.main) playScripts('sources', scripts);
