/** tcp_proxy: ends of connections, clusters, weights, hashes, limits in time, tunnels over CONNECT. */
import { onHttp1, onHttp2, onTcp } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  http2Cluster,
  listener,
  type Message,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import type { Topic } from './harness/topics.ts';
import { Channel } from './wire/channel.ts';
import type { Step } from './wire/http1.ts';
import { type TcpOptions, tcp } from './wire/tcp.ts';

const row = (
  covers: Topic,
  on: string,
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  more: Partial<Case> = {},
  options: TcpOptions = {},
): Case => ({
  ...{ name: `tcp: ${name}`, covers, on, expect, logLines: 1 },
  play: tcp(steps, options),
  ...more,
});

const echoed: Step = { until: /echo hello/ };

const plain: readonly Case[] = [
  row('tcp', 'main', 'an echo', ['hello', echoed, { end: true }], {
    client: /tunnel: "echo hello"/,
    upstream: /^a\| "hello" end/,
    log: /^tcp - - in=5 out=10 to=a/,
    stats: { 'tcp.main.downstream_cx_total': 1, 'cluster.a.upstream_cx_total': 1 },
  }),
  row(
    'tcp',
    'main',
    'the client ends, the upstream goes on',
    ['hello', echoed, { end: true }],
    { client: /echo hello after/ },
    {
      answers: {
        a: onTcp(async (t) => {
          t.write('echo hello');
          await t.until(/never/);
          t.write(' after');
          t.end();
        }),
      },
    },
  ),
  row(
    'tcp',
    'main',
    'the upstream ends, the client goes on',
    ['hello', { until: /first/ }, 'after', { saw: /after/ }, { end: true }],
    { upstream: /"helloafter" end/ },
    {
      answers: {
        a: onTcp(async (t) => {
          await t.until(/hello/);
          t.write('first');
          t.end();
        }),
      },
    },
  ),
  row(
    'tcp',
    'main',
    'the upstream talks first',
    [{ until: /welcome/ }, 'hello', { end: true }],
    { client: /welcome/ },
    {
      answers: {
        a: onTcp(async (t) => {
          t.write('welcome');
          await t.until(/never/);
          t.end();
        }),
      },
    },
  ),
  row(
    'tcp',
    'main',
    'the upstream resets',
    ['hello', echoed, { act: ({ backend }) => backend('a').reset('') }],
    { client: /echo hello/ },
  ),
  row(
    'tcp',
    'main',
    'the client says nothing',
    [{ end: true }],
    { client: /tunnel: ""/, upstream: /^a\| "" end/ },
    {
      answers: {
        a: onTcp(async (t) => {
          await t.until(/never/);
          t.end();
        }),
      },
    },
  ),
  row(
    'tcp',
    'main',
    'much in both directions',
    [({ draw }) => 'x'.repeat(draw.int(500_000, 900_000)), { end: true }],
    { client: /tunnel: \d+ bytes/ },
  ),
  row(
    'tcp',
    'main',
    'bytes of all values',
    [Array.from({ length: 256 }, (_, at) => String.fromCharCode(at)).join(''), { end: true }],
    { client: /echo/ },
  ),
  row(
    'tcp',
    'main',
    'the client resets',
    [],
    { upstream: /"hello"/ },
    {
      play: async (play) => {
        const channel = new Channel(play);
        await channel.write('hello', true);
        await channel.until((text) => text.includes('echo hello'), 'the echo');
        channel.socket.resetAndDestroy();
        return { statuses: [], lines: [channel.text] };
      },
    },
  ),
];

const clusters: readonly Case[] = [
  row('tcp-proxy', 'weighted', 'weights of nothing and all', ['who', { until: /./ }, { end: true }], {
    client: /tunnel: "b"/,
    upstream: /^b\|/,
  }),
  row(
    'tcp-proxy',
    'hashed',
    'a hash of the address',
    [],
    { client: /^always the same$/ },
    {
      logLines: 4,
      play: async (play) => {
        const answers = new Set<string>();
        for (let nth = 0; nth < 4; nth++) {
          const channel = new Channel(play);
          await channel.write('who', true);
          await channel.until((text) => text !== '', 'a name');
          answers.add(channel.text);
          channel.end();
          await channel.untilClosed();
        }
        return { statuses: [], lines: [answers.size === 1 ? 'always the same' : 'not always the same'] };
      },
    },
  ),
  row('tcp-proxy', 'refused', 'nobody listens', [{ end: true }], {
    client: /tunnel: ""/,
    log: /^tcp UF,URX - in=0 out=0 to=refused/,
    stats: { 'cluster.refused.upstream_cx_connect_fail': 1 },
  }),
  row('tcp-proxy', 'refused', 'nobody listens, and the client talks', ['hello'], {
    client: /tunnel: ""/,
    log: /^tcp UF/,
  }),
  row('tcp-proxy', 'retried', 'max_connect_attempts', [{ end: true }], {
    log: /^tcp UF/,
    stats: {
      'cluster.refused.upstream_cx_connect_fail': 3,
      'cluster.refused.upstream_cx_connect_attempts_exceeded': 1,
    },
  }),
  row('tcp-proxy', 'empty', 'no endpoints', [], { client: /tunnel: ""/, log: /^tcp UH/ }),
  row('tcp-proxy', 'unknown', 'no cluster', [], { log: /^tcp NC/ }),
  row('tcp-proxy', 'full', 'a cluster that may have no connection', [], { log: /^tcp UO/ }),
  row(
    'tcp-proxy',
    'silent',
    'connect_timeout',
    [],
    { log: /^tcp UF/, stats: { 'cluster.silent.upstream_cx_connect_timeout': 1 } },
    { answers: { a: onTcp(() => {}) } },
  ),
];

const limits: readonly Case[] = [
  row('tcp-proxy', 'idle', 'idle_timeout', ['hello', echoed], {
    client: /echo hello/,
    log: /^tcp - /,
    stats: { 'tcp.idle.idle_timeout': 1 },
  }),
  row('tcp-proxy', 'idle', 'idle_timeout of a connection without bytes', [], {
    stats: { 'tcp.idle.idle_timeout': 1 },
  }),
  row('tcp-proxy', 'lifetime', 'max_downstream_connection_duration', ['hello', echoed], {
    client: /echo hello/,
    stats: { 'tcp.lifetime.max_downstream_connection_duration': 1 },
  }),
];

const accepted = {
  http1: onHttp1(async (x) => {
    x.write('HTTP/1.1 200 OK\r\n\r\n');
    const t = x.tunnel();
    await t.until(/hello/);
    t.write('echo hello');
    await t.until(/never/);
    t.end();
  }),
};

const tunnels: readonly Case[] = [
  row(
    'tcp-proxy',
    'tunnel',
    'a tunnel over CONNECT',
    ['hello', echoed, { end: true }],
    {
      client: /echo hello/,
      upstream: [
        /^http1\| CONNECT target\.example:443 HTTP\/1\.1/,
        /host: target\.example:443/,
        /tunnel: "hello" end/,
      ],
    },
    { answers: accepted },
  ),
  row(
    'tcp-proxy',
    'tunnel',
    'a tunnel that is refused',
    ['hello'],
    { client: /tunnel: ""/ },
    { answers: { http1: 'HTTP/1.1 403 No\r\ncontent-length: 0\r\n\r\n' } },
  ),
  row(
    'tcp-proxy',
    'tunnel2',
    'a tunnel over CONNECT of HTTP/2',
    ['hello', echoed, { end: true }],
    {
      client: /echo hello/,
      upstream: [/:method: CONNECT/, /:authority: target\.example:443/, /x-tunnel: yes/, /data: "hello"/],
    },
    {
      answers: {
        http2: onHttp2(async ({ peer, stream, received, body }) => {
          peer.headers(stream, [[':status', '200']]);
          await received(5);
          peer.data(stream, 'echo hello');
          await body();
          peer.data(stream, '', true);
        }),
      },
    },
  ),
  row(
    'tcp-proxy',
    'tunnel2',
    'a tunnel over HTTP/2 that is refused',
    ['hello'],
    { client: /tunnel: ""/ },
    { answers: { http2: onHttp2(({ peer, stream }) => peer.headers(stream, [[':status', '503']], true)) } },
  ),
  row(
    'tcp-proxy',
    'tunnel-post',
    'a tunnel over POST of HTTP/2',
    ['hello', echoed, { end: true }],
    { upstream: [/:method: POST/, /:path: \/tunnel/] },
    {
      answers: {
        http2: onHttp2(async ({ peer, stream, received, body }) => {
          peer.headers(stream, [[':status', '200']]);
          await received(5);
          peer.data(stream, 'echo hello');
          await body();
          peer.data(stream, '', true);
        }),
      },
    },
  ),
];

const proxy = (name: string, fields: Message): Message => listener(name, tcpProxy(name, fields));

export const groups: readonly Group[] = [
  {
    name: 'tcp_proxy',
    backends: { a: tcpBackend(), b: tcpBackend(), http1: http1Backend(), http2: http2Backend() },
    bootstrap: ({ ports }) => {
      const nobody: Message = { endpoint: address(1, '127.255.255.253') };
      // By their names: each proxy has backends of its own.
      const keyed = (name: string): Message => ({
        endpoint: address(ports[name]),
        metadata: { filter_metadata: { 'envoy.lb': { hash_key: name } } },
      });
      return bootstrap(
        [
          proxy('main', { cluster: 'a' }),
          proxy('weighted', {
            weighted_clusters: {
              clusters: [
                { name: 'b', weight: 100 },
                { name: 'b2', weight: 1 },
              ],
            },
          }),
          proxy('hashed', { cluster: 'ring', hash_policy: [{ source_ip: {} }] }),
          proxy('refused', { cluster: 'refused' }),
          proxy('retried', { cluster: 'refused', max_connect_attempts: 3 }),
          proxy('empty', { cluster: 'empty' }),
          proxy('unknown', { cluster: 'unknown' }),
          proxy('full', { cluster: 'full' }),
          proxy('silent', { cluster: 'silent' }),
          proxy('idle', { cluster: 'a', idle_timeout: '0.1s' }),
          proxy('lifetime', {
            cluster: 'a',
            idle_timeout: '5s',
            max_downstream_connection_duration: '0.15s',
          }),
          proxy('tunnel', { cluster: 'http1', tunneling_config: { hostname: 'target.example:443' } }),
          proxy('tunnel2', {
            cluster: 'http2',
            tunneling_config: {
              hostname: 'target.example:443',
              headers_to_add: [{ header: { key: 'x-tunnel', value: 'yes' } }],
            },
          }),
          proxy('tunnel-post', {
            cluster: 'http2',
            tunneling_config: { hostname: 'target.example:443', use_post: true, post_path: '/tunnel' },
          }),
        ],
        [
          cluster('a', [ports.a!]),
          cluster('b', [ports.b!]),
          cluster('b2', [ports.b!]),
          cluster('ring', ['a', 'b'].map(keyed), { lb_policy: 'RING_HASH' }),
          cluster('refused', [nobody]),
          cluster('empty', []),
          cluster('full', [ports.a!], { circuit_breakers: { thresholds: [{ max_connections: 0 }] } }),
          cluster('silent', [ports.a!], {
            connect_timeout: '0.1s',
            transport_socket: extension('tls', 'transport_sockets.tls.v3.UpstreamTlsContext'),
          }),
          cluster('http1', [ports.http1!]),
          http2Cluster('http2', [ports.http2!]),
        ],
      );
    },
    cases: [...plain, ...clusters, ...limits, ...tunnels],
  },
];

if (import.meta.main) compare(groups);
