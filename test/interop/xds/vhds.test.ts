/** Virtual hosts that come one by one, and requests that have them asked for: Envoy beside Heddle. */
import assert from 'node:assert/strict';
import type { JsonObject } from '@bufbuild/protobuf';
import { eventually } from '../../support/eventually.ts';
import type { ManagementServer } from '../../support/management-server.ts';
import {
  ads,
  adsBootstrap,
  cluster,
  type DeltaOptions,
  delta,
  listener,
  ownStream,
  routes,
  serverCluster,
  state,
  typeUrl,
} from './resources.ts';
import { type Asked, playScripts, type Scene, type Script, type Step } from './script.ts';

const ON_DEMAND = 'type.googleapis.com/envoy.extensions.filters.http.on_demand.v3.OnDemand';
const FAULT = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';
const onDemand: JsonObject = { name: 'envoy.filters.http.on_demand', typed_config: { '@type': ON_DEMAND } };
const fault = (name: string): JsonObject => ({ name, typed_config: { '@type': FAULT } });
const aborts = (http_status: number): JsonObject => ({
  '@type': FAULT,
  abort: { http_status, percentage: { numerator: 100 } },
});

function hasAskedFor(server: ManagementServer, name: string): boolean {
  return server
    .stream('ads')
    .requests.some((one) => 'resourceNamesSubscribe' in one && one.resourceNamesSubscribe.includes(name));
}

/** Answers with a text. */
const host = (name: string, domain: string, text: string, more: JsonObject = {}): JsonObject => ({
  name,
  domains: [domain],
  routes: [{ match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: text } } }],
  ...more,
});

const table = (hosts: readonly JsonObject[] = [], config_source: JsonObject | null = ads): JsonObject => ({
  '@type': typeUrl('route'),
  name: 'r',
  virtual_hosts: [...hosts],
  ...(config_source !== null && { vhds: { config_source } }),
});

interface Given {
  readonly name: string;
  readonly aliases?: readonly string[];
  /** Absent: there is none. */
  readonly host?: JsonObject;
}

/** A response of VHDS. */
const hosts = (version: number, given: readonly Given[], options: DeltaOptions = {}): JsonObject => ({
  ...delta('virtualHost', version, [], options),
  resources: given.map(({ name, aliases = [], host: one }) => ({
    name,
    version: `v${version}`,
    aliases: [...aliases],
    ...(one !== undefined && { resource: { '@type': typeUrl('virtualHost'), ...one } }),
  })),
});

const given = (name: string, domain: string, text: string, ...aliases: string[]): Given => ({
  name,
  aliases,
  host: host(name, domain, text),
});
const unknown = (name: string): Given => ({ name, aliases: [name] });

const counts = ['config_reload', 'update_success', 'update_rejected'].map(
  (count) => `http.web.rds.vhds.r.${count}`,
);

/** Asks for hosts of the listener `web`, each by its name. */
const asks = (name: string, envoy: readonly RegExp[], ...names: readonly string[]): Step => ({
  name,
  async play({ ask }) {
    for (const one of names) await ask(one, 'web', { host: one });
  },
  envoy,
});

const updates = (
  name: string,
  version: number,
  what: readonly Given[],
  envoy: readonly RegExp[],
  options?: DeltaOptions,
): Step => ({ name, play: ({ send }) => send(hosts(version, what, options)), envoy, stats: counts });

/** The listener `web`, whose routes come by RDS. */
async function begin({ send }: Scene, filters: JsonObject[] = [], routes = table()): Promise<void> {
  await send(delta('cluster', 1, [cluster('a')]));
  await send(delta('listener', 1, [listener('web', 'r', ads, filters)]));
  await send(delta('route', 1, [routes]));
}

const hostSteps: readonly Step[] = [
  {
    name: 'a listener waits for the first virtual hosts, which are asked for without a name',
    play: (scene) => begin(scene),
    envoy: [/VHDS$/, /web@v1\(warming\)/],
  },
  updates('an empty response is none', 2, [], [/VHDS nonce n2-virtualHost$/, /web@v1\(warming\)/]),
  updates('they come', 3, [given('r/a', 'a.example', 'a3'), given('r/b', 'b.example', 'b3')], [/r@3/]),
  asks(
    'each serves',
    [/a.example 200 a3/, /b.example 200 b3/, /x.example 404/],
    'a.example',
    'b.example',
    'x.example',
  ),
  updates('another version of one', 4, [given('r/a', 'a.example', 'a4')], [/r@4/]),
  asks('beside the other', [/a.example 200 a4/, /b.example 200 b3/], 'a.example', 'b.example'),
  updates(
    'of others than this route table nothing is taken',
    5,
    [given('q/c', 'c.example', 'c5'), given('plain', 'd.example', 'd5')],
    [/VHDS nonce n5-virtualHost$/, /r@4/],
  ),
  updates(
    'one that is refused refuses those that come with it',
    6,
    [given('r/c', 'b.example', 'c6'), given('r/a', 'a.example', 'a6')],
    [/VHDS nonce n6-virtualHost NACK/, /r@4/],
  ),
  asks('and the last good ones stay', [/a.example 200 a4/, /b.example 200 b3/], 'a.example', 'b.example'),
  {
    name: 'routes with a domain of theirs are refused',
    play: ({ send }) => send(delta('route', 7, [table([host('s', 'a.example', 's7')])])),
    envoy: [/RDS nonce n7-route NACK/, /r@4/],
  },
  {
    name: 'other routes keep them',
    play: ({ send }) => send(delta('route', 8, [table([host('s', '*', 's8')])])),
    envoy: [/RDS nonce n8-route$/, /r@v8/],
  },
  asks('beside their own', [/a.example 200 a4/, /x.example 200 s8/], 'a.example', 'x.example'),
  updates(
    'one is called otherwise than its resource',
    9,
    [{ name: 'r/n', host: host('n', 'n.example', 'n9') }],
    [/r@9/],
  ),
  updates('removed by the name that it calls itself', 10, [], [/r@10/], { removed: ['r/a', 'r/n'] }),
  asks('or not at all', [/a.example 200 s8/, /n.example 200 n9/], 'a.example', 'n.example'),
  updates('what is not there is not removed', 11, [], [/r@10/], { removed: ['r/a'] }),
  updates(
    'one name twice',
    12,
    [given('r/t', 't.example', '1'), given('r/t', 't.example', '2')],
    [/VHDS nonce n12-virtualHost NACK/],
  ),
  updates('neither a host nor an alias', 13, [{ name: 'r/z' }], [/VHDS nonce n13-virtualHost NACK/]),
  updates(
    'without a domain',
    14,
    [{ name: 'r/z', host: { name: 'r/z' } }],
    [/VHDS nonce n14-virtualHost NACK/],
  ),
  {
    name: 'a connection later it says what it has',
    play({ servers }) {
      servers[0]!.stream('ads').end();
    },
    envoy: [/VHDS has plain=v5,q\/c=v5,r\/b=v3$/],
  },
  {
    name: 'routes that know of none have none',
    play: ({ send }) => send(delta('route', 15, [table([host('s', '*', 's15')], null)])),
    envoy: [/r@v15/],
  },
  asks('so that their own serve', [/b.example 200 s15/], 'b.example'),
  updates('and what comes is nobody’s', 16, [given('r/a', 'a.example', 'a16')], [/VHDS nonce n16/, /r@v15/]),
  {
    name: 'until they know of them again',
    play: ({ send }) => send(delta('route', 17, [table([host('s', '*', 's17')])])),
    envoy: [/r@v17/],
  },
  asks('what came before is there', [/a.example 200 s17/, /b.example 200 b3/], 'a.example', 'b.example'),
];

const demandSteps: readonly Step[] = [
  {
    name: 'there is one',
    async play(scene) {
      await begin(scene, [onDemand]);
      await scene.send(hosts(1, [given('r/o', 'o.example', 'o1')]));
    },
    envoy: [/r@1/],
  },
  {
    name: 'two requests wait for a host that is asked for once',
    async play({ ask }) {
      await ask('one', 'web', { host: 'A.example' });
      await ask('two', 'web', { host: 'a.example' });
    },
    envoy: [/VHDS \+r\/a.example$/, /one waits/, /two waits/],
  },
  asks('with its port it is another', [/VHDS \+r\/a.example:81$/, /81 waits/], 'a.example:81'),
  {
    name: 'a body is kept',
    async play({ ask }) {
      await ask('post', 'web', { host: 'p.example', method: 'POST', body: 'text' });
    },
    envoy: [/VHDS \+r\/p.example$/, /post waits/],
  },
  asks('what is there waits for nothing', [/o.example 200 o1/, /one waits/], 'o.example'),
  updates(
    'the host comes by an alias, under another name',
    2,
    [given('r/a', 'a.example', 'a2', 'r/a.example')],
    [/one 200 a2/, /two 200 a2/, /81 waits/, /post waits/],
  ),
  updates('that with the port', 3, [given('r/a81', 'a.example:81', 'a3', 'r/a.example:81')], [/81 200 a3/]),
  updates('that with the body, by its name', 4, [given('r/p.example', 'p.example', 'p4')], [/post 200 p4/]),
  asks('another one', [/VHDS \+r\/u.example$/, /u.example waits/], 'u.example'),
  updates('of which others say nothing', 5, [given('r/y', 'y.example', 'y5')], [/u.example waits/]),
  updates('that there is none', 6, [unknown('r/u.example')], [/u.example 404/]),
  asks('which holds for those who come later', [/u.example 404/], 'u.example'),
  asks('a third one', [/VHDS \+r\/c.example$/, /c.example waits/], 'c.example'),
  updates('is refused', 7, [given('r/c.example', 'y.example', 'c7')], [/NACK/, /c.example waits/]),
  updates('is removed', 8, [], [/c.example waits/], { removed: ['r/c.example'] }),
  updates('cannot be given', 9, [], [/c.example waits/], { errors: ['r/c.example'] }),
  updates('comes', 10, [given('r/c.example', 'c.example', 'c10')], [/c.example 200 c10/]),
  updates('and goes', 11, [], [/r@11/], { removed: ['r/c.example'] }),
  asks('nobody asks for it anew', [/c.example 404/], 'c.example'),
  {
    name: 'a host without a route is asked for too',
    async play({ send, ask }) {
      const routes = [{ match: { path: '/no' }, direct_response: { status: 200 } }];
      await send(delta('route', 12, [table([{ name: 'k', domains: ['k.example'], routes }])]));
      await ask('k.example', 'web', { host: 'k.example' });
    },
    envoy: [/VHDS \+r\/k.example$/, /k.example waits/],
  },
  {
    name: 'other routes let nobody go on, though they have the host',
    play: ({ send }) => send(delta('route', 13, [table([host('k', 'k.example', 'k13')])])),
    envoy: [/r@v13/, /k.example waits/],
  },
  updates('but the answer does', 14, [unknown('r/k.example')], [/k.example 200 k13/]),
  {
    name: 'a client gives up',
    async play({ ask, send, servers }) {
      const asking = await ask('g', 'web', { host: 'g.example' });
      await eventually(() => assert.ok(hasAskedFor(servers[0]!, 'r/g.example')));
      asking.destroy();
      await send(hosts(15, [given('r/g.example', 'g.example', 'g15')]));
    },
    envoy: [/VHDS \+r\/g.example$/, /g fails/, /r@15/],
    stats: ['http.web.downstream_rq_active', 'http.web.downstream_rq_total'],
  },
  {
    name: 'a connection later it asks for them again',
    play({ servers }) {
      servers[0]!.stream('ads').end();
    },
    envoy: [/VHDS \+\*,r\/a.example,r\/a.example:81,r\/c.example,r\/g.example,.*/, / has .*r\/a=v2,/],
  },
  {
    name: 'nobody does when the routes know of none',
    play: ({ send }) => send(delta('route', 16, [table([host('s', '*', 's16')], null)])),
    envoy: [/VHDS -r\/a.example,/],
  },
  {
    name: 'what was said is forgotten then',
    async play({ send, ask }) {
      await send(delta('route', 17, [table()]));
      await ask('u.example', 'web', { host: 'u.example' });
    },
    envoy: [/VHDS \+r\/u.example$/, /u.example waits/],
  },
];

const filterSteps: readonly Step[] = [
  {
    name: 'a filter before it, and one after it',
    async play(scene) {
      await begin(scene, [fault('before'), onDemand, fault('after')]);
      await scene.send(hosts(1, [given('r/o', 'o.example', 'o1')]));
    },
    envoy: [/r@1/],
  },
  ...(
    [
      ['before', 200],
      ['after', 418],
    ] as const
  ).flatMap(([place, status], i): Step[] => {
    const name = `${place}.example`;
    const kinds: readonly Omit<Asked, 'host'>[] = [
      {},
      { method: 'POST', body: 'text' },
      { method: 'POST', body: 'text', isOpen: true },
    ];
    return [
      {
        name: `requests wait, of a host with a configuration of the filter ${place}`,
        async play({ ask }) {
          for (const [k, kind] of kinds.entries()) await ask(`${place} ${k}`, 'web', { host: name, ...kind });
        },
        envoy: kinds.map((_, k) => new RegExp(`${place} ${k} waits`)),
      },
      updates(
        'which the waiting have from the filters after it',
        i + 2,
        [
          {
            name: `r/${name}`,
            host: host(`r/${name}`, name, 'x', { typed_per_filter_config: { [place]: aborts(418) } }),
          },
        ],
        kinds.map((_, k) => new RegExp(`${place} ${k} ${status}`)),
      ),
      asks('and all later ones', [new RegExp(`${name} 418`)], name),
    ];
  }),
  {
    name: 'without a body a filter before it sees no second request',
    play() {},
    envoy: [],
    stats: ['http.web.downstream_rq_total', 'http.web.downstream_rq_completed'],
  },
];

const upgrade: Omit<Asked, 'host'> = { headers: { connection: 'upgrade', upgrade: 'websocket' } };
const upgradeSteps: readonly Step[] = [
  {
    name: 'another protocol is asked for',
    async play(scene) {
      await begin(scene, [onDemand]);
      await scene.send(hosts(1, [given('r/o', 'o.example', 'o1')]));
      await scene.ask('up', 'web', { host: 'a.example', ...upgrade });
    },
    envoy: [/up waits/],
  },
  updates('it is answered as what it is', 2, [given('r/a.example', 'a.example', 'a2')], [/up 200 a2/]),
  {
    name: 'later it is not allowed',
    async play({ ask }) {
      await ask('up', 'web', { host: 'a.example', ...upgrade });
    },
    envoy: [/up 403/],
  },
];

const firstSteps: readonly Step[] = [
  {
    name: 'a listener waits',
    play: (scene) => begin(scene, [onDemand]),
    envoy: [/web@v1\(warming\)/],
  },
  updates(
    'until those that come first are refused',
    2,
    [{ name: 'r/x', host: { name: 'r/x' } }],
    [/NACK/, /listeners: web$/],
  ),
  asks('a host is asked for', [/VHDS \+r\/a.example$/, /a.example waits/], 'a.example'),
  updates('and comes', 3, [given('r/a', 'a.example', 'a3', 'r/a.example')], [/a.example 200 a3/]),
];

const lateSteps: readonly Step[] = [
  {
    name: 'a listener does not wait for ever',
    play: (scene) => begin(scene, [onDemand], table([], { ...ads, initial_fetch_timeout: '1s' })),
    envoy: [/VHDS$/, /listeners: web$/],
  },
  asks('a host is asked for', [/VHDS \+r\/a.example$/, /a.example waits/], 'a.example'),
  updates('and comes', 3, [given('r/a.example', 'a.example', 'a3')], [/a.example 200 a3/]),
];

const ownSteps: readonly Step[] = [
  {
    name: 'virtual hosts are asked for on a stream of their own',
    async play(scene) {
      await begin(scene, [onDemand], table([], ownStream('DELTA_GRPC', 'own')));
      await scene.send(hosts(1, [given('r/o', 'o.example', 'o1')]), { scope: 'virtualHost' });
    },
    envoy: [/asks 0 \[virtualHost\] VHDS$/, /r@1/],
  },
  asks('by name too', [/\[virtualHost\] VHDS \+r\/a.example$/, /a.example waits/], 'a.example'),
  {
    name: 'and come',
    play: ({ send }) => send(hosts(2, [given('r/a.example', 'a.example', 'a2')]), { scope: 'virtualHost' }),
    envoy: [/a.example 200 a2/],
  },
  {
    name: 'a stream of the state of the world is refused',
    play: ({ send }) => send(delta('route', 2, [table([], ownStream('GRPC', 'own'))])),
    envoy: [/RDS nonce n2-route NACK/],
  },
];

const sotwSteps: readonly Step[] = [
  {
    name: 'routes with virtual hosts are refused',
    async play({ send }) {
      await send(state('cluster', 1, cluster('a')));
      await send(state('listener', 1, listener('web', 'r')));
      await send(state('route', 1, routes('r', 'one')));
      await send(state('route', 2, table()));
    },
    envoy: [/RDS r version 1 nonce n2-route NACK$/, /r@1/],
  },
];

const withOwn: ReturnType<typeof adsBootstrap> = (places) => {
  const bootstrap = adsBootstrap('DELTA_GRPC')(places) as { static_resources: { clusters: JsonObject[] } };
  bootstrap.static_resources.clusters.push(serverCluster('own', places.servers[0]!));
  return bootstrap as unknown as JsonObject;
};

const common = { bootstrap: adsBootstrap('DELTA_GRPC'), quiet: true };
export const scripts: readonly Script[] = [
  { ...common, name: 'VHDS: virtual hosts of routes', steps: hostSteps },
  { ...common, name: 'VHDS: on demand', steps: demandSteps },
  { ...common, name: 'VHDS: on demand, several threads', steps: demandSteps.slice(0, 14), concurrency: 2 },
  { ...common, name: 'VHDS: filters of those that waited', steps: filterSteps },
  { ...common, name: 'VHDS: upgrades', steps: upgradeSteps },
  { ...common, name: 'VHDS: the first ones are refused', steps: firstSteps },
  { ...common, name: 'VHDS: the first ones do not come', steps: lateSteps },
  { ...common, name: 'VHDS: state of the world', steps: sotwSteps, bootstrap: adsBootstrap('GRPC') },
  { ...common, name: 'VHDS: a stream of their own', steps: ownSteps, bootstrap: withOwn },
];

if (import.meta.main) playScripts('VHDS', scripts);
