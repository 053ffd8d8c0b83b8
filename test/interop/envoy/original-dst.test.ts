/** Clusters whose endpoints are where connections were made to, or what a header names (ORIGINAL_DST). */
import { http1 as http1Backend } from './backend/http1.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import { bootstrap, extension, http, listener, type Message, route, tcpProxy } from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Play, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';
import { proxyV1 } from './wire/proxy-protocol.ts';
import { tcp } from './wire/tcp.ts';

const portOf = (play: Play, name: string): number => play.backend(name).port;

/** As if the connection had been made to a backend, and the kernel had brought it here. */
const madeTo = (play: Play, name: string, port = portOf(play, name), host = '127.0.0.1'): Buffer =>
  proxyV1({ from: '127.0.0.1', fromPort: 1234, to: host, toPort: port });

type Text = (play: Play) => string;

const HEADER = 'x-envoy-original-dst-host';
const at =
  (name: string): Text =>
  (play) =>
    `127.0.0.1:${portOf(play, name)}`;

/** @param value of the header that names the address; undefined: there is none. */
const ask =
  (
    value?: Text,
    more: { readonly header?: string; readonly preamble?: (play: Play) => Buffer } = {},
  ): Script =>
  (play) => {
    const headers = value === undefined ? [] : [`${more.header ?? HEADER}: ${value(play)}`];
    const preamble = more.preamble === undefined ? {} : { preamble: more.preamble(play) };
    return http1([get('/echo', ...headers)], { ...preamble, noProbe: true })(play);
  };

const row = (name: string, on: string, play: Script, expect: Expectation): Case => ({
  name: `original destination: ${name}`,
  covers: 'upstream',
  ...{ on, play, expect },
});

const reaches = (name: string, stats: Readonly<Record<string, number>> = {}): Expectation => ({
  status: 200,
  upstream: new RegExp(`^${name}\\|`),
  log: new RegExp(`127\\.0\\.0\\.1:BACKEND_${name}`),
  stats,
});
const nowhere = (stats: Readonly<Record<string, number>> = {}): Expectation => ({
  status: 503,
  client: /no healthy upstream/,
  upstream: 'nothing',
  log: / 503 UH /,
  stats: { 'cluster.header.upstream_cx_none_healthy': 1, ...stats },
});
const invalid = nowhere({ 'cluster.header.original_dst_host_invalid': 1 });
const bad = (name: string, value: string): Case =>
  row(
    name,
    'header',
    ask(() => value),
    invalid,
  );

const overHttp: readonly Case[] = [
  row('by a header', 'header', ask(at('a')), reaches('a', { 'cluster.header.membership_change': 1 })),
  row('another by a header', 'header', ask(at('b')), reaches('b')),
  row('no header', 'header', ask(), nowhere()),
  bad('a name in the header', 'localhost:80'),
  bad('no port in the header', '127.0.0.1'),
  bad('a port beyond the last', '127.0.0.1:65536'),
  bad('a port that is none', '127.0.0.1:x'),
  bad('IPv6 without brackets', '::1:80'),
  bad('IPv4 in brackets', '[127.0.0.1]:80'),
  bad('nothing at all', ':'),
  row('by a header of another name', 'named', ask(at('b'), { header: 'x-to' }), reaches('b')),
  row('the usual header, where another counts', 'named', ask(at('b')), {
    ...nowhere(),
    stats: { 'cluster.named.upstream_cx_none_healthy': 1 },
  }),
  row(
    'where the connection was made to',
    'restored',
    ask(undefined, { preamble: (play) => madeTo(play, 'a') }),
    reaches('a'),
  ),
  row(
    'a header counts before the connection',
    'restored-header',
    ask(at('b'), { preamble: (play) => madeTo(play, 'a') }),
    reaches('b'),
  ),
  row(
    'where the header is bad, the connection counts',
    'restored-header',
    ask(() => 'x', { preamble: (play) => madeTo(play, 'a') }),
    reaches('a', { 'cluster.header.original_dst_host_invalid': 1 }),
  ),
  row(
    'another port than the one it was made to',
    'port',
    ask(undefined, { preamble: (play) => madeTo(play, 'a', 1) }),
    reaches('b'),
  ),
  row(
    'another port than the one in the header',
    'port',
    ask(() => '127.0.0.1:1'),
    {
      ...nowhere(),
      stats: { 'cluster.port.upstream_cx_none_healthy': 1 },
    },
  ),
  row('nobody listens there', 'restored', ask(undefined, { preamble: (play) => madeTo(play, 'a', 1) }), {
    status: 503,
    upstream: 'nothing',
    log: / 503 UF /,
  }),
  row('not captured', 'direct', ask(), {
    ...nowhere(),
    stats: { 'cluster.original.upstream_cx_none_healthy': 1 },
  }),
];

const overTcp: readonly Case[] = [
  {
    name: 'original destination: without HTTP',
    covers: 'tcp-proxy',
    on: 'tcp',
    logLines: 1,
    answers: {
      tcp: {
        tcp: async (tunnel) => {
          await tunnel.until(/hello/);
          tunnel.write('done');
          tunnel.end();
        },
      },
    },
    play: (play) => tcp(['hello', { until: /done/ }, { end: true }], { preamble: madeTo(play, 'tcp') })(play),
    expect: { upstream: /^tcp\|.*hello/m, client: /done/, log: /to=original/ },
  },
  {
    name: 'original destination: without HTTP, and not captured',
    covers: 'tcp-proxy',
    on: 'tcp-direct',
    logLines: 1,
    play: tcp(['hello']),
    expect: { upstream: 'nothing', log: /^tcp UH .*to=original/m },
  },
];

const originalDst = (name: string, config?: Message): Message => ({
  name,
  type: 'ORIGINAL_DST',
  lb_policy: 'CLUSTER_PROVIDED',
  connect_timeout: '1s',
  ...(config !== undefined && { original_dst_lb_config: config }),
});

export const groups: readonly Group[] = [
  {
    name: 'original destination',
    backends: { a: http1Backend(), b: http1Backend(), tcp: tcpBackend() },
    bootstrap: ({ ports }) => {
      const captured: Message = {
        listener_filters: [
          extension('proxy', 'filters.listener.proxy_protocol.v3.ProxyProtocol', {
            allow_requests_without_proxy_protocol: true,
          }),
        ],
      };
      const web = (name: string, cluster: string, more: Message = {}): Message =>
        listener(name, http(name, { routes: [route('/', { cluster })], log: ['%UPSTREAM_HOST%'] }), more);
      return bootstrap(
        [
          web('header', 'header'),
          web('named', 'named'),
          web('restored', 'original', captured),
          web('restored-header', 'header', captured),
          web('port', 'port', captured),
          web('direct', 'original'),
          listener('tcp', tcpProxy('tcp', { cluster: 'original' }), captured),
          listener('tcp-direct', tcpProxy('tcp-direct', { cluster: 'original' })),
        ],
        [
          originalDst('original'),
          originalDst('header', { use_http_header: true }),
          originalDst('named', { use_http_header: true, http_header_name: 'X-To' }),
          originalDst('port', { use_http_header: false, upstream_port_override: ports.b }),
        ],
      );
    },
    cases: [...overHttp, ...overTcp],
  },
];

if (import.meta.main) compare(groups);
