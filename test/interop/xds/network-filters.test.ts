/** Network and listener filters whose configuration comes by name (ECDS): Envoy beside Heddle. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import { askAnew } from './ask.ts';
import {
  countsOf,
  discovered,
  ECHO,
  extension,
  INSPECTOR,
  looking,
  PROXIED,
  PROXY,
  RATE,
  RBAC,
  RESPONSE,
  rate,
  raw,
  rbac,
  STATE,
  says,
  through,
  web,
} from './connection-filters.ts';
import { ads, adsBootstrap, cluster, delta, file, ownStream, serverCluster, state } from './resources.ts';
import { type Places, playScripts, type Script, type Step } from './script.ts';

const networkSteps: readonly Step[] = [
  {
    name: 'a listener waits for the configuration of its network filter',
    async play({ send }) {
      await send(delta('cluster', 1, [cluster('a')]));
      await send(delta('listener', 1, [web('web', discovered('f', [RBAC, RATE]))]));
    },
    envoy: [/ECDS \+f$/, /dynamic_listeners: web@v1\(warming\)/],
  },
  {
    name: 'it comes',
    play: ({ send }) => send(delta('extension', 2, [extension('f', rbac('ALLOW'))])),
    envoy: [/listener web answers 200 through/, /ecds_filters: f@v2/],
    stats: countsOf('network_filter', 'f'),
  },
  {
    name: 'another one serves new connections, and the listener stays',
    play: ({ send }) => send(delta('extension', 3, [extension('f', rbac('DENY'))])),
    envoy: [/ecds_filters: f@v3/, /listener web answers nothing/],
    stats: [
      ...countsOf('network_filter', 'f'),
      'listener_manager.listener_modified',
      'listener_manager.total_filter_chains_draining',
      'listener.web.network_extension_config_missing',
    ],
  },
  {
    name: 'one of another type that may be',
    play: ({ send }) => send(delta('extension', 4, [extension('f', rate(1000))])),
    envoy: [/listener web answers 200 through/],
  },
  {
    name: 'and with nothing left in its bucket',
    play: ({ send }) => send(delta('extension', 5, [extension('f', rate(1))])),
    envoy: [/listener web answers nothing/],
    counted: ['local_rate_limit.rate.rate_limited'],
  },
  {
    name: 'the same once more is no change',
    play: ({ send }) => send(delta('extension', 6, [extension('f', rate(1))])),
    envoy: [/listener web answers nothing/, /ECDS nonce n6-extension$/],
    stats: countsOf('network_filter', 'f'),
  },
  {
    name: 'a type that is not among type_urls is refused',
    async play({ send }) {
      await send(delta('extension', 7, [extension('f', rbac('ALLOW'))]));
      await send(delta('extension', 8, [extension('f', says('no'))]));
    },
    envoy: [/ECDS nonce n8-extension NACK/, /listener web answers 200 through/, /f@v7/],
    stats: countsOf('network_filter', 'f'),
  },
  {
    name: 'what is not valid is refused',
    play: ({ send }) =>
      send(delta('extension', 9, [extension('f', { '@type': RBAC, rules: { action: 'ALLOW' } })])),
    envoy: [/ECDS nonce n9-extension NACK/, /listener web answers 200 through/],
    stats: countsOf('network_filter', 'f'),
  },
  {
    name: 'a second listener has what is there, before a filter of its own',
    play: ({ send }) =>
      send(
        delta('listener', 10, [
          web('other', discovered('f', [RBAC]), { name: 'shut', typed_config: rbac('DENY') }),
        ]),
      ),
    envoy: [/listener other answers nothing/, /listener web answers 200/],
    stats: countsOf('network_filter', 'f'),
  },
  {
    name: 'both judge the next one',
    play: ({ send }) => send(delta('extension', 11, [extension('f', rate(1000))])),
    envoy: [/ECDS nonce n11-extension NACK/],
    stats: countsOf('network_filter', 'f'),
  },
  {
    name: 'without a default a removed one lets no connection in',
    play: ({ send }) => send(delta('extension', 12, [], { removed: ['f'] })),
    envoy: [/ECDS nonce n12-extension$/, /listener web answers nothing/],
    stats: countsOf('network_filter', 'f'),
    counted: [
      'listener.web.network_extension_config_missing',
      'listener.web.extension_config_missing',
      'listener.web.no_filter_chain_match',
    ],
  },
  {
    name: 'it comes back',
    play: ({ send }) => send(delta('extension', 13, [extension('f', rbac('ALLOW'))])),
    envoy: [/listener web answers 200 through/],
    stats: countsOf('network_filter', 'f'),
  },
  {
    name: 'nobody asks for it when its listeners are gone',
    async play({ send, drained }) {
      await send(delta('listener', 14, [], { removed: ['web', 'other'] }));
      await drained(2);
    },
    envoy: [/LDS nonce n14-listener/, /ECDS -f/],
  },
];

const endSteps: readonly Step[] = [
  {
    name: 'the last filter of a chain comes by name',
    async play({ send }) {
      await send(delta('cluster', 1, [cluster('a')]));
      await send(delta('listener', 1, [raw('raw', discovered('end', [RESPONSE, PROXIED, ECHO]))]));
      await send(delta('extension', 2, [extension('end', says('one'))]));
    },
    envoy: [/listener raw answers 200 one/],
    stats: countsOf('network_filter', 'end'),
  },
  {
    name: 'another one',
    play: ({ send }) => send(delta('extension', 3, [extension('end', says('two'))])),
    envoy: [/listener raw answers 200 two/],
  },
  {
    name: 'one that goes to a cluster',
    play: ({ send }) => send(delta('extension', 4, [extension('end', through('a'))])),
    envoy: [/listener raw answers nothing/],
    counted: ['cluster.a.upstream_cx_none_healthy', 'tcp.through.downstream_cx_total'],
  },
  {
    name: 'with what another one by name says',
    async play({ send }) {
      const note = (value: string): JsonObject => ({
        '@type': STATE,
        on_new_connection: [
          {
            object_key: 'envoy.tcp_proxy.cluster',
            format_string: { text_format_source: { inline_string: value } },
          },
        ],
      });
      await send(delta('cluster', 5, [cluster('b')]));
      await send(
        delta('listener', 5, [
          raw('noted', discovered('note', [STATE]), { name: 'tcp', typed_config: through('a') }),
        ]),
      );
      await send(delta('extension', 5, [extension('note', note('b'))]));
    },
    envoy: [/listener noted answers nothing/],
    counted: ['cluster.b.upstream_cx_none_healthy'],
  },
  {
    name: 'one that does not end a chain is refused at its end',
    async play({ send }) {
      await send(delta('listener', 11, [raw('open', discovered('middle', [RBAC]))]));
      await send(delta('extension', 11, [extension('middle', rbac('ALLOW'))]));
    },
    envoy: [/NACK/, /listener open answers nothing/],
    stats: countsOf('network_filter', 'middle'),
    counted: ['listener.open.network_extension_config_missing'],
  },
  {
    name: 'one that ends a chain is refused before its end',
    async play({ send }) {
      await send(delta('listener', 12, [web('shut', discovered('early', [ECHO]))]));
      await send(delta('extension', 12, [extension('early', { '@type': ECHO })]));
    },
    envoy: [/NACK/, /listener shut answers nothing/],
    stats: countsOf('network_filter', 'early'),
  },
];

const within = (seconds: number): JsonObject => ({
  config_source: { ...ads, initial_fetch_timeout: `${seconds}s` },
});

const defaultSteps: readonly Step[] = [
  {
    name: 'the default serves at once where it may',
    async play({ send }) {
      await send(delta('cluster', 1, [cluster('a')]));
      const more = { default_config: rbac('DENY'), apply_default_config_without_warming: true };
      await send(delta('listener', 1, [web('web', discovered('f', [RBAC], more))]));
    },
    envoy: [/ECDS \+f$/, /listener web answers nothing/],
    counted: ['listener.web.network_extension_config_missing'],
  },
  {
    name: 'there need not be one for a network filter',
    play: ({ send }) => {
      const atOnce = { apply_default_config_without_warming: true };
      return send(delta('listener', 2, [web('none', discovered('n', [RBAC], atOnce))]));
    },
    envoy: [/listener none answers nothing/],
    counted: ['listener.none.network_extension_config_missing'],
  },
  {
    name: 'until the configuration comes',
    play: ({ send }) => send(delta('extension', 2, [extension('f', rbac('ALLOW'))])),
    envoy: [/listener web answers 200/],
  },
  {
    name: 'and again when that is removed',
    play: ({ send }) => send(delta('extension', 3, [], { removed: ['f'] })),
    envoy: [/listener web answers nothing/],
    stats: countsOf('network_filter', 'f'),
    counted: ['listener.web.network_extension_config_missing'],
  },
  {
    name: 'it serves where what comes is refused',
    async play({ send }) {
      const filter = discovered('g', [RBAC], { default_config: rbac('ALLOW') });
      await send(delta('listener', 4, [web('other', filter)]));
      await send(delta('extension', 4, [extension('g', says('no'))]));
    },
    envoy: [/ECDS nonce n4-extension NACK/, /listener other answers 200/],
    stats: countsOf('network_filter', 'g'),
  },
  {
    name: 'or does not come in time',
    play: ({ send }) => {
      const filter = discovered('h', [RBAC], { default_config: rbac('ALLOW'), ...within(1) });
      return send(delta('listener', 5, [web('late', filter)]));
    },
    envoy: [/listener late answers 200/],
    stats: countsOf('network_filter', 'h').slice(0, 3),
  },
  {
    name: 'without one no connection gets through',
    play: ({ send }) => send(delta('listener', 6, [web('bare', discovered('i', [RBAC], within(1)))])),
    envoy: [/listener bare answers nothing/],
    counted: ['listener.bare.network_extension_config_missing'],
  },
  {
    name: 'the same of a listener filter',
    play: ({ send }) =>
      send(
        delta('listener', 7, [
          looking(
            'seen',
            discovered('j', [INSPECTOR], { default_config: { '@type': INSPECTOR }, ...within(1) }),
          ),
          looking('blind', discovered('k', [INSPECTOR], within(1))),
        ]),
      ),
    envoy: [/listener seen answers 200/, /listener blind answers nothing/],
    stats: countsOf('tcp_listener_filter', 'j').slice(0, 3),
    counted: ['listener.blind.extension_config_missing', 'listener.blind.network_extension_config_missing'],
  },
];

const listenerSteps: readonly Step[] = [
  {
    name: 'a listener waits for its listener filter',
    async play({ send }) {
      await send(delta('cluster', 1, [cluster('a')]));
      await send(delta('listener', 1, [looking('web', discovered('l', [PROXY, INSPECTOR]))]));
    },
    envoy: [/ECDS \+l$/, /dynamic_listeners: web@v1\(warming\)/],
  },
  {
    name: 'it comes',
    play: ({ send }) => send(delta('extension', 2, [extension('l', { '@type': INSPECTOR })])),
    envoy: [/listener web answers 200 through/, /ecds_filters: l@v2/],
    stats: countsOf('tcp_listener_filter', 'l'),
    counted: ['http_inspector.http11_found'],
  },
  {
    name: 'another one, that wants what does not come',
    play: ({ send }) => send(delta('extension', 3, [extension('l', { '@type': PROXY })])),
    envoy: [/ecds_filters: l@v3/, /listener web answers nothing/],
    stats: [...countsOf('tcp_listener_filter', 'l'), 'listener_manager.listener_modified'],
  },
  {
    name: 'one that says it may be missing',
    play: ({ send }) =>
      send(
        delta('extension', 4, [
          extension('l', { '@type': PROXY, allow_requests_without_proxy_protocol: true }),
        ]),
      ),
    envoy: [/listener web answers 200/],
  },
  {
    name: 'without a default a removed one lets no connection in',
    play: ({ send }) => send(delta('extension', 5, [], { removed: ['l'] })),
    envoy: [/ECDS nonce n5-extension$/, /listener web answers nothing/],
    stats: countsOf('tcp_listener_filter', 'l'),
    counted: ['listener.web.extension_config_missing', 'listener.web.network_extension_config_missing'],
  },
  {
    name: 'it comes back',
    play: ({ send }) => send(delta('extension', 6, [extension('l', { '@type': INSPECTOR })])),
    envoy: [/listener web answers 200 through/],
    stats: countsOf('tcp_listener_filter', 'l'),
  },
  {
    name: 'another type is refused',
    play: ({ send }) => send(delta('extension', 7, [extension('l', rbac('ALLOW'))])),
    envoy: [/NACK/, /listener web answers 200/],
    stats: countsOf('tcp_listener_filter', 'l'),
  },
  {
    name: 'two filters that take turns',
    async play({ send }) {
      await send(
        delta('listener', 8, [looking('two', discovered('l', [INSPECTOR]), discovered('m', [PROXY]))]),
      );
      await send(delta('extension', 8, [extension('m', { '@type': PROXY })]));
    },
    envoy: [/listener two answers nothing/, /listener web answers 200/, /l@v6 m@v8/],
    stats: [...countsOf('tcp_listener_filter', 'l'), ...countsOf('tcp_listener_filter', 'm')],
  },
];

const refusedSteps: readonly Step[] = (
  [
    ['no type', web('web', discovered('f', []))],
    ['a default of another type', web('web', discovered('f', [RBAC], { default_config: rate(1) }))],
    [
      'a default that is missing of a listener filter',
      looking('web', discovered('f', [INSPECTOR], { apply_default_config_without_warming: true })),
    ],
    ['an unknown type of one', looking('web', discovered('f', ['type.googleapis.com/no.such.Filter']))],
    [
      'a default that ends the chain',
      web('web', discovered('f', [ECHO], { default_config: { '@type': ECHO } })),
    ],
    ['one that does not', raw('web', discovered('f', [RBAC], { default_config: rbac('ALLOW') }))],
    ['no type of a listener filter', looking('web', discovered('f', []))],
    ['a network filter among listener filters', looking('web', discovered('f', [RBAC]))],
    [
      'a default of another type of a listener filter',
      looking('web', discovered('f', [INSPECTOR], { default_config: { '@type': PROXY } })),
    ],
  ] as const
).map(([what, listener], i) => ({
  name: `refused: ${what}`,
  async play({ send }) {
    if (i === 0) await send(delta('cluster', 1, [cluster('a')]));
    await send(delta('listener', i + 2, [listener]));
  },
  envoy: [new RegExp(`LDS nonce n${i + 2}-listener NACK`)],
}));

const sotwSteps: readonly Step[] = [
  {
    name: 'filters of three kinds are asked for together',
    async play({ send }) {
      await send(state('cluster', 1, cluster('a')));
      const listener = {
        ...web('one', discovered('f', [RBAC])),
        listener_filters: [discovered('l', [INSPECTOR])],
      };
      await send(state('listener', 1, listener));
      await send(
        state('extension', 1, extension('f', rbac('ALLOW')), extension('l', { '@type': INSPECTOR })),
      );
    },
    // Envoy asks for one, and then for both.
    envoy: [/listener one answers 200/, /ECDS f,l version 1/],
    stats: [...countsOf('network_filter', 'f'), ...countsOf('tcp_listener_filter', 'l')],
  },
  {
    name: 'what is left out stays',
    play: ({ send }) => send(state('extension', 2, extension('f', rbac('DENY')))),
    envoy: [/listener one answers nothing/],
  },
];

/** Moved into place, as Envoy wants to see it. */
function replace(path: string, ...resources: JsonObject[]): void {
  writeFileSync(`${path}.new`, JSON.stringify({ version_info: '1', resources }));
  renameSync(`${path}.new`, path);
}

const elsewhere = ({ folder, servers }: Places): JsonObject => {
  const path = join(folder, 'ecds.json');
  replace(path, extension('f', rbac('DENY')));
  const untyped = ({ '@type': _type, ...resource }: JsonObject): JsonObject => resource;
  const streams = discovered('l', [PROXY], { config_source: ownStream('DELTA_GRPC', 'own') });
  return {
    node: { id: 'test', cluster: 'test' },
    static_resources: {
      clusters: [serverCluster('own', servers[0]!)],
      listeners: [
        untyped(web('files', discovered('f', [RBAC], { config_source: file(path) }))),
        untyped(looking('streams', streams)),
      ],
    },
  };
};

const elsewhereSteps: readonly Step[] = [
  {
    name: 'from a file, and from a stream of their own',
    play: ({ send }) =>
      send(delta('extension', 1, [extension('l', { '@type': PROXY })]), { scope: 'extension' }),
    envoy: [
      /asks 0 \[extension\] ECDS \+l$/,
      /listener files answers nothing/,
      /listener streams answers nothing/,
    ],
  },
  {
    name: 'what is changed takes effect',
    async play({ folder, send }) {
      replace(join(folder, 'ecds.json'), extension('f', rbac('ALLOW')));
      const lenient = { '@type': PROXY, allow_requests_without_proxy_protocol: true };
      await send(delta('extension', 2, [extension('l', lenient)]), { scope: 'extension' });
    },
    envoy: [/listener files answers 200/, /listener streams answers 200/],
  },
];

const common = { bootstrap: adsBootstrap('DELTA_GRPC'), ask: askAnew };
export const scripts: readonly Script[] = [
  { ...common, name: 'ECDS of connections: network filters', steps: networkSteps },
  { ...common, name: 'ECDS of connections: filters that end a chain', steps: endSteps },
  { ...common, name: 'ECDS of connections: defaults', steps: defaultSteps },
  { ...common, name: 'ECDS of connections: listener filters', steps: listenerSteps },
  { ...common, name: 'ECDS of connections: what is refused', steps: refusedSteps },
  {
    ...common,
    name: 'ECDS of connections: state of the world',
    bootstrap: adsBootstrap('GRPC'),
    steps: sotwSteps,
    onlyDecisions: true,
  },
  { ...common, name: 'ECDS of connections: from elsewhere', bootstrap: elsewhere, steps: elsewhereSteps },
];

if (import.meta.main) playScripts('ECDS of connections', scripts);
