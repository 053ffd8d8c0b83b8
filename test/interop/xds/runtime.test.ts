/** Layers of the runtime that come from servers and files (RTDS). Envoy beside Heddle. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import {
  ads,
  delta,
  file,
  grpc,
  listenerOf,
  ownStream,
  routes,
  serverCluster,
  state,
  typeUrl,
} from './resources.ts';
import { type Places, playScripts, type Script, type Step } from './script.ts';

const layer = (name: string, values: JsonObject): JsonObject => ({
  '@type': typeUrl('runtime'),
  name,
  layer: values,
});

const untyped = ({ '@type': _, ...resource }: JsonObject): JsonObject => resource;

/** Answers `old`, and `new` to the share of requests that the runtime says. */
const web = (): JsonObject => {
  const [host] = untyped(routes('web', 'old')).virtual_hosts as JsonObject[];
  const [old] = host!.routes as JsonObject[];
  const share = { runtime_key: 'web.new', default_value: { numerator: 0 } };
  const fresh = {
    match: { prefix: '/', runtime_fraction: share },
    direct_response: { status: 200, body: { inline_string: 'new' } },
  };
  return untyped(
    listenerOf('web', {
      route_config: { name: 'web', virtual_hosts: [{ ...host, routes: [fresh, old!] }] },
    }),
  );
};

const bootstrap =
  (rtds_config: JsonObject, more: JsonObject = {}) =>
  ({ servers }: Places): JsonObject => ({
    node: { id: 'test', cluster: 'test' },
    static_resources: { clusters: [serverCluster('xds', servers[0]!)], listeners: [web()] },
    layered_runtime: {
      layers: [
        { name: 'fixed', static_layer: { 'web.new': 0, 'own.key': 'fixed' } },
        { name: 'given', rtds_layer: { name: 'values', rtds_config } },
      ],
    },
    ...more,
  });

const COUNTS = [
  'runtime.update_success',
  'runtime.update_rejected',
  'runtime.num_keys',
  'runtime.num_layers',
];

const steps = (protocol: 'state' | 'delta', scope: 'ads' | 'runtime'): readonly Step[] => {
  const say = (version: number, ...all: JsonObject[]): JsonObject =>
    protocol === 'state' ? state('runtime', version, ...all) : delta('runtime', version, all);
  const sent =
    (version: number, ...all: JsonObject[]): Step['play'] =>
    ({ send }) =>
      send(say(version, ...all), { scope });
  const always: JsonObject = {
    'web.new': 100,
    deep: { a: 1, b: { numerator: 5, denominator: 'TEN_THOUSAND' } },
  };
  return [
    {
      name: 'a layer takes effect',
      play: sent(1, layer('values', always)),
      envoy: [/listener web answers 200 new/, /runtime web\.new = 100 of 0\|100/, /runtime deep\.a = 1/],
      stats: COUNTS,
    },
    {
      name: 'another version of it',
      play: sent(2, layer('values', { 'own.key': 'given' })),
      envoy: [/listener web answers 200 old/, /runtime own\.key = given of fixed\|given/],
      stats: COUNTS,
    },
    {
      name: 'values that are none',
      play: sent(3, layer('values', { 'web.new': [100] })),
      envoy: [/NACK/, /listener web answers 200 old/],
      stats: COUNTS,
    },
    {
      name: 'the layer is empty',
      play: sent(4, layer('values', {})),
      envoy: [/runtime own\.key = fixed/],
      stats: COUNTS,
    },
    ...(protocol === 'state'
      ? []
      : [
          {
            name: 'a layer comes back, and goes',
            async play({ send }) {
              await send(say(5, layer('values', always)), { scope });
              await send(delta('runtime', 6, [], { removed: ['values'] }), { scope });
            },
            envoy: [/listener web answers 200 old/],
            stats: COUNTS,
          } satisfies Step,
        ]),
  ];
};

const replace = (folder: string, values: JsonObject): void => {
  const path = join(folder, 'rtds.json');
  writeFileSync(`${path}.new`, JSON.stringify({ version_info: '1', resources: [layer('values', values)] }));
  renameSync(`${path}.new`, path);
};

export const scripts: readonly Script[] = [
  ...(
    [
      ['state', 'GRPC'],
      ['delta', 'DELTA_GRPC'],
    ] as const
  ).flatMap(([protocol, type]): Script[] => [
    {
      name: `RTDS by ADS, ${protocol}`,
      runtime: true,
      bootstrap: bootstrap(ads, { dynamic_resources: { ads_config: grpc(type, 'xds') } }),
      steps: steps(protocol, 'ads'),
    },
    {
      name: `RTDS by a stream of their own, ${protocol}`,
      runtime: true,
      bootstrap: bootstrap(ownStream(type, 'xds')),
      steps: steps(protocol, 'runtime'),
    },
  ]),
  {
    name: 'RTDS from a file',
    runtime: true,
    bootstrap: (places) => {
      replace(places.folder, { 'web.new': 100 });
      return bootstrap(file(join(places.folder, 'rtds.json')))(places);
    },
    steps: [
      { name: 'its values', play() {}, envoy: [/listener web answers 200 new/], stats: COUNTS },
      {
        name: 'values that replace them',
        play: ({ folder }) => replace(folder, { 'own.key': 7 }),
        envoy: [/listener web answers 200 old/, /runtime own\.key = 7 of fixed\|7/],
      },
    ],
  },
];

if (import.meta.main) playScripts('layers of the runtime', scripts);
