/** HTTP filters whose configuration comes by name (ECDS): Envoy beside Heddle. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import {
  ads,
  adsBootstrap,
  cluster,
  delta,
  file,
  listenerOf,
  ownStream,
  routes,
  serverCluster,
  state,
  typeUrl,
} from './resources.ts';
import { type Places, playScripts, type Script, type Step } from './script.ts';

const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';
const HEALTH = 'type.googleapis.com/envoy.extensions.filters.http.health_check.v3.HealthCheck';

/** Answers every request with a status. */
const abort = (http_status: number): JsonObject => ({
  '@type': FAULT,
  abort: { http_status, percentage: { numerator: 100 } },
});
/** Answers every request as a check of health. */
const healthy: JsonObject = {
  '@type': HEALTH,
  pass_through_mode: false,
  headers: [{ name: ':path', string_match: { exact: '/' } }],
};

const extension = (name: string, typed_config?: JsonObject): JsonObject => ({
  '@type': typeUrl('extension'),
  name,
  ...(typed_config !== undefined && { typed_config }),
});

/** A filter of an HTTP chain that is to be had by that name. */
const discovered = (name: string, more: JsonObject = {}): JsonObject => ({
  name,
  config_discovery: { config_source: ads, type_urls: [FAULT], ...more },
});

const { '@type': _, ...route_config } = routes('inline', 'through');
const web = (name: string, ...filters: JsonObject[]): JsonObject =>
  listenerOf(name, { route_config }, filters);

const countsOf = (name: string): string[] =>
  ['config_reload', 'config_fail', 'config_conflict', 'update_success', 'update_rejected'].map(
    (count) => `extension_config_discovery.http_filter.${name}.${count}`,
  );

const deltaSteps: readonly Step[] = [
  {
    name: 'a listener waits for the configuration of its filter',
    async play({ send }) {
      await send(delta('cluster', 1, [cluster('a')]));
      await send(delta('listener', 1, [web('web', discovered('f'))]));
    },
    envoy: [/ECDS \+f$/, /dynamic_listeners: web@v1\(warming\)/],
  },
  {
    name: 'it comes',
    play: ({ send }) => send(delta('extension', 2, [extension('f', abort(418))])),
    envoy: [/listener web answers 418 fault filter abort/, /ecds_filters: f@v2/, /ECDS nonce n2-extension$/],
    stats: [
      ...countsOf('f'),
      'listener_manager.listener_modified',
      'listener_manager.total_filter_chains_draining',
    ],
  },
  {
    name: 'another one takes effect in the listener that serves',
    play: ({ send }) => send(delta('extension', 3, [extension('f', abort(503))])),
    envoy: [/listener web answers 503/, /ecds_filters: f@v3/],
    stats: [
      ...countsOf('f'),
      'listener_manager.listener_modified',
      'listener_manager.total_filter_chains_draining',
    ],
  },
  {
    name: 'the same once more is no change',
    play: ({ send }) => send(delta('extension', 4, [extension('f', abort(503))])),
    envoy: [/listener web answers 503/, /ECDS nonce n4-extension$/],
    stats: countsOf('f'),
  },
  {
    name: 'a type that is not among type_urls is refused',
    play: ({ send }) => send(delta('extension', 5, [extension('f', healthy)])),
    envoy: [/ECDS nonce n5-extension NACK/, /listener web answers 503/, /f@v3/],
    stats: countsOf('f'),
  },
  {
    name: 'a configuration that is not valid is refused',
    play: ({ send }) => send(delta('extension', 6, [extension('f', abort(99))])),
    envoy: [/ECDS nonce n6-extension NACK/, /listener web answers 503/],
    stats: countsOf('f'),
  },
  {
    name: 'a second listener has the configuration that is there',
    play: ({ send }) => send(delta('listener', 7, [web('other', discovered('f'))])),
    envoy: [/listener other answers 503/],
  },
  {
    name: 'one that takes other types does without',
    play: ({ send }) => send(delta('listener', 8, [web('third', discovered('f', { type_urls: [HEALTH] }))])),
    envoy: [/listener third answers 500/],
    stats: countsOf('f'),
  },
  {
    name: 'all of them judge the next one',
    play: ({ send }) => send(delta('extension', 9, [extension('f', abort(504))])),
    envoy: [/ECDS nonce n9-extension NACK/, /listener web answers 503/],
    stats: countsOf('f'),
  },
  {
    name: 'a listener goes, and what it could not take is taken',
    async play({ send, drained }) {
      await send(delta('listener', 10, [], { removed: ['third'] }));
      // To Envoy it judges as long as it drains.
      await drained(1);
      await send(delta('extension', 11, [extension('f', abort(504))]));
    },
    envoy: [/listener web answers 504/, /listener other answers 504/],
  },
  {
    name: 'without a default a removed one lets no request through',
    play: ({ send }) => send(delta('extension', 12, [], { removed: ['f'] })),
    envoy: [/listener web answers 500/],
    stats: countsOf('f'),
  },
  {
    name: 'it comes back',
    play: ({ send }) => send(delta('extension', 13, [extension('f', abort(418))])),
    envoy: [/listener web answers 418/],
    stats: countsOf('f'),
  },
  {
    name: 'a connection later it says what it has',
    play({ servers }) {
      servers[0]!.stream('ads').end();
    },
    envoy: [/ECDS \+f has f=v13/],
  },
  {
    name: 'nobody asks for it when its listeners are gone',
    async play({ send, drained }) {
      await send(delta('listener', 14, [], { removed: ['web', 'other'] }));
      await drained(3);
    },
    envoy: [/LDS nonce n14-listener/, /ECDS -f/],
  },
];

const defaultSteps: readonly Step[] = [
  {
    name: 'the default serves at once where it may',
    async play({ send }) {
      await send(delta('cluster', 1, [cluster('a')]));
      await send(
        delta('listener', 1, [
          web(
            'web',
            discovered('f', { default_config: abort(410), apply_default_config_without_warming: true }),
          ),
        ]),
      );
    },
    envoy: [/ECDS \+f$/, /listener web answers 410/],
  },
  {
    name: 'until the configuration comes',
    play: ({ send }) => send(delta('extension', 2, [extension('f', abort(418))])),
    envoy: [/listener web answers 418/],
    stats: countsOf('f'),
  },
  {
    name: 'and again when that is removed',
    play: ({ send }) => send(delta('extension', 3, [], { removed: ['f'] })),
    envoy: [/listener web answers 410/],
    stats: countsOf('f'),
  },
  {
    name: 'else a listener waits though it has a default',
    play: ({ send }) =>
      send(delta('listener', 4, [web('other', discovered('g', { default_config: abort(411) }))])),
    envoy: [/ECDS \+g$/, /other@v4\(warming\)/],
  },
  {
    name: 'and serves with it when what comes is refused',
    play: ({ send }) => send(delta('extension', 5, [extension('g', healthy)])),
    envoy: [/ECDS nonce n5-extension NACK/, /listener other answers 411/],
    stats: countsOf('g'),
  },
  {
    name: 'or does not come in time',
    play: ({ send }) =>
      send(
        delta('listener', 6, [
          web(
            'late',
            discovered('h', {
              default_config: abort(412),
              config_source: { ...ads, initial_fetch_timeout: '1s' },
            }),
          ),
        ]),
      ),
    envoy: [/listener late answers 412/],
    stats: ['config_fail', 'config_reload', 'config_conflict'].map(
      (count) => `extension_config_discovery.http_filter.h.${count}`,
    ),
  },
  {
    name: 'without one no request goes through',
    play: ({ send }) =>
      send(
        delta('listener', 7, [
          web('bare', discovered('i', { config_source: { ...ads, initial_fetch_timeout: '1s' } })),
        ]),
      ),
    envoy: [/listener bare answers 500/],
  },
  {
    name: 'two types are taken in turn by one filter',
    async play({ send }) {
      await send(delta('listener', 8, [web('both', discovered('j', { type_urls: [FAULT, HEALTH] }))]));
      await send(delta('extension', 8, [extension('j', abort(418))]));
      await send(delta('extension', 9, [extension('j', healthy)]));
    },
    envoy: [/listener both answers 200 $/],
    stats: countsOf('j'),
  },
];

const refusedSteps: readonly Step[] = [
  ['no type', { type_urls: [] }],
  ['a default that is missing', { apply_default_config_without_warming: true }],
  ['a default of another type', { default_config: healthy }],
  ['an unknown type', { type_urls: ['type.googleapis.com/no.such.Filter'] }],
].map(([what, more], i) => ({
  name: `refused: ${what as string}`,
  async play({ send }) {
    if (i === 0) await send(delta('cluster', 1, [cluster('a')]));
    await send(delta('listener', i + 2, [web('web', discovered('f', more as JsonObject))]));
  },
  envoy: [new RegExp(`LDS nonce n${i + 2}-listener NACK`)],
}));

const sotwSteps: readonly Step[] = [
  {
    name: 'two names are asked for, and each comes for itself',
    async play({ send }) {
      await send(state('cluster', 1, cluster('a')));
      await send(state('listener', 1, web('one', discovered('f')), web('two', discovered('g'))));
      await send(state('extension', 1, extension('f', abort(418)), extension('g', abort(410))));
    },
    envoy: [/listener one answers 418/, /listener two answers 410/],
    stats: [...countsOf('f'), ...countsOf('g')],
  },
  {
    name: 'what is left out stays',
    play: ({ send }) => send(state('extension', 2, extension('f', abort(503)))),
    envoy: [/listener one answers 503/, /listener two answers 410/],
  },
];

/** Moved into place, as Envoy wants to see it. */
function replace(path: string, ...resources: JsonObject[]): void {
  writeFileSync(`${path}.new`, JSON.stringify({ version_info: '1', resources }));
  renameSync(`${path}.new`, path);
}

const elsewhere = ({ folder, servers }: Places): JsonObject => {
  const path = join(folder, 'ecds.json');
  replace(path, extension('f', abort(418)));
  const untyped = ({ '@type': _type, ...resource }: JsonObject): JsonObject => resource;
  return {
    node: { id: 'test', cluster: 'test' },
    static_resources: {
      clusters: [serverCluster('own', servers[0]!)],
      listeners: [
        untyped(web('files', discovered('f', { config_source: file(path) }))),
        untyped(web('streams', discovered('g', { config_source: ownStream('DELTA_GRPC', 'own') }))),
      ],
    },
  };
};

const elsewhereSteps: readonly Step[] = [
  {
    name: 'from a file, and from a stream of their own',
    play: ({ send }) => send(delta('extension', 1, [extension('g', abort(410))]), { scope: 'extension' }),
    envoy: [/asks 0 \[extension\] ECDS \+g$/, /listener files answers 418/, /listener streams answers 410/],
  },
  {
    name: 'a file that is moved into place takes effect',
    play: ({ folder }) => replace(join(folder, 'ecds.json'), extension('f', abort(503))),
    envoy: [/listener files answers 503/],
  },
];

const bootstrap = adsBootstrap('DELTA_GRPC');
export const scripts: readonly Script[] = [
  { name: 'ECDS, delta', bootstrap, steps: deltaSteps },
  { name: 'ECDS, defaults', bootstrap, steps: defaultSteps },
  { name: 'ECDS, what is refused', bootstrap, steps: refusedSteps },
  { name: 'ECDS, state of the world', bootstrap: adsBootstrap('GRPC'), steps: sotwSteps },
  { name: 'ECDS, from elsewhere', bootstrap: elsewhere, steps: elsewhereSteps },
];

if (import.meta.main) playScripts('ECDS', scripts);
