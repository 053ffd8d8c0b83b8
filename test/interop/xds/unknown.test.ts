/** Fields that a proxy does not know, and elements that it may do without. Envoy beside Heddle. */
import { type DescMessage, fromBinary, type JsonObject, type Message, toBinary } from '@bufbuild/protobuf';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { adsBootstrap, cluster, delta, listener, listenerOf, routes } from './resources.ts';
import { playScripts, type Script, type Step } from './script.ts';

/** Adds a field that no version has: to the message, or to one within it. */
const unknownIn =
  <Desc extends DescMessage>(schema: Desc, find: (message: ReturnType<typeof decoded<Desc>>) => Message) =>
  (bytes: Uint8Array): Uint8Array => {
    const message = decoded(schema, bytes);
    find(message).$unknown = [{ no: 9999, wireType: 0, data: new Uint8Array([1]) }];
    return toBinary(schema, message);
  };
const decoded = <Desc extends DescMessage>(schema: Desc, bytes: Uint8Array) => fromBinary(schema, bytes);

const untyped = ({ '@type': _, ...resource }: JsonObject): JsonObject => resource;
const COUNTS = ['server.dynamic_unknown_fields', 'server.static_unknown_fields'];
const inCluster = unknownIn(ClusterSchema, (message) => message);
const inRoutes = unknownIn(RouteConfigurationSchema, (message) => message.virtualHosts[0]!);

const unknownSteps = (refuses: boolean): readonly Step[] => {
  const told = refuses ? ' NACK' : '';
  const accepted = (line: RegExp): readonly RegExp[] => (refuses ? [] : [line]);
  const name = (of: string): string => (refuses ? `${of}, where it is refused` : of);
  return [
    {
      name: name('an unknown field of a cluster'),
      play: ({ send }) => send(delta('cluster', 1, [cluster('a')]), { alter: inCluster }),
      envoy: [new RegExp(`CDS nonce n1-cluster${told}$`), ...accepted(/dynamic_active_clusters: a@v1/)],
      stats: COUNTS,
    },
    {
      name: name('an unknown field of a listener'),
      async play({ send }) {
        await send(delta('cluster', 2, [cluster('b')]));
        await send(
          delta('listener', 2, [listenerOf('other', { route_config: untyped(routes('own', 'other')) })]),
          {
            alter: unknownIn(ListenerSchema, (message) => message.filterChains[0]!),
          },
        );
      },
      envoy: [new RegExp(`LDS nonce n2-listener${told}$`)],
      stats: COUNTS,
    },
    {
      name: name('an unknown field of routes'),
      async play({ send }) {
        await send(delta('listener', 3, [listener('web', 'r')]));
        await send(delta('route', 3, [routes('r', 'one')]), { alter: inRoutes });
      },
      envoy: [new RegExp(`RDS nonce n3-route${told}$`), ...accepted(/listener web answers 200 one/)],
      stats: COUNTS,
    },
    {
      name: name('the same unknown field once more'),
      play: ({ send }) => send(delta('route', 4, [routes('r', 'two')]), { alter: inRoutes }),
      envoy: [new RegExp(`RDS nonce n4-route${told}$`), ...accepted(/listener web answers 200 two/)],
      stats: COUNTS,
    },
    // Envoy refuses all of a response of which it refuses one by its fields alone.
    ...(refuses
      ? []
      : [
          {
            name: 'unknown fields of one of two clusters',
            play: ({ send }) =>
              send(delta('cluster', 5, [cluster('c', { connect_timeout: '3s' }), cluster('d')]), {
                alter: (bytes) => (decoded(ClusterSchema, bytes).name === 'd' ? inCluster(bytes) : bytes),
              }),
            envoy: [/CDS nonce n5-cluster$/, /a@v1 b@v2 c@v5 d@v5/],
            stats: COUNTS,
          } satisfies Step,
        ]),
  ];
};

// --- elements that may be left out

const nobodys = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  typed_config: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'x' },
  ...more,
});
const web = (body: string, more: JsonObject = {}, ...filters: JsonObject[]): JsonObject => {
  const route_config = untyped(routes('inline', body));
  return listenerOf('web', { route_config: { ...route_config, ...more } }, filters);
};
const perFilter = (is_optional: boolean): JsonObject => ({
  typed_per_filter_config: {
    nobody: {
      '@type': 'type.googleapis.com/envoy.config.route.v3.FilterConfig',
      is_optional,
      config: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'x' },
    },
  },
});
const policies = (...names: readonly string[]): JsonObject => ({
  load_balancing_policy: {
    policies: names.map((name) => ({
      typed_extension_config:
        name === 'nobody'
          ? nobodys('nobody')
          : {
              name,
              typed_config: {
                '@type': 'type.googleapis.com/envoy.extensions.load_balancing_policies.random.v3.Random',
              },
            },
    })),
  },
});

const plugin = (is_optional: boolean): JsonObject => ({
  cluster_specifier_plugins: [{ extension: nobodys('plug'), is_optional }],
  virtual_hosts: [
    {
      name: 'all',
      domains: ['*'],
      routes: [
        { match: { prefix: '/' }, route: { cluster_specifier_plugin: 'plug' } },
        { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'after it' } } },
      ],
    },
  ],
});

/** One after the other; those that are refused leave the one before. */
const OPTIONAL: readonly (readonly [name: string, resource: JsonObject, shows: RegExp])[] = [
  [
    'an optional filter that nobody knows',
    web('one', {}, nobodys('nobody', { is_optional: true })),
    /answers 200 one/,
  ],
  ['a filter that nobody knows, and not optional', web('two', {}, nobodys('nobody')), /NACK/],
  [
    'an optional configuration for a filter that nobody knows',
    web('three', perFilter(true)),
    /answers 200 three/,
  ],
  ['one that is not optional for a filter that nobody knows', web('four', perFilter(false)), /NACK/],
  ['an optional plugin that nobody knows', web('', plugin(true)), /answers 200 after it/],
  ['a plugin that nobody knows, and not optional', web('', plugin(false)), /NACK/],
];
const POLICIES: readonly (readonly [name: string, resource: JsonObject, shows: RegExp])[] = [
  ['a list of policies, the first of which nobody knows', cluster('a', policies('nobody', 'random')), /a@v7/],
  ['a list of policies that nobody knows', cluster('b', policies('nobody')), /NACK/],
];

const optionalSteps: readonly Step[] = [...OPTIONAL, ...POLICIES].map(([name, resource, shows], i) => ({
  name: `optional: ${name}`,
  async play({ send }) {
    if (i === 0) await send(delta('cluster', 0, [cluster('first')]));
    await send(delta(i < OPTIONAL.length ? 'listener' : 'cluster', i + 1, [resource]));
  },
  envoy: [shows],
}));

const bootstrap = adsBootstrap('DELTA_GRPC');
export const scripts: readonly Script[] = [
  { name: 'unknown fields', bootstrap, steps: unknownSteps(false) },
  {
    name: 'unknown fields are refused',
    bootstrap,
    flags: ['--reject-unknown-dynamic-fields'],
    steps: unknownSteps(true),
  },
  { name: 'optional elements', bootstrap, steps: optionalSteps },
];

if (import.meta.main) playScripts('unknown', scripts);
