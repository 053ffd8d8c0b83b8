/** The address that connections upstream leave from, and the options of their sockets (upstream_bind_config, original_src). */
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import {
  bootstrap,
  cluster,
  extension,
  http2Cluster,
  httpListener,
  listener,
  type Message,
  route,
  tcpLog,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';
import { proxyV1 } from './wire/proxy-protocol.ts';
import { tcp } from './wire/tcp.ts';

const row = (name: string, on: string, expect: Expectation): Case => ({
  name: `source address: ${name}`,
  covers: 'upstream',
  ...{ on, expect },
  play: http1([get('/echo')], { noProbe: true }),
});

const from = (address: string): Expectation => ({
  status: 200,
  log: new RegExp(` from=${address.replaceAll('.', '\\.')} `),
});
const cannot = (reason: RegExp, stats: Readonly<Record<string, number>> = {}): Expectation => ({
  status: 503,
  upstream: 'nothing',
  log: [/ 503 UF /, reason],
  stats,
});

/** Of socket(7) and ip(7). */
const SOL_SOCKET = 1;
const SO_MARK = 36;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;

const source = (address: string, port = 0): Message => ({ source_address: { address, port_value: port } });

const FROM = 'from=%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%';
const REASON = '%UPSTREAM_TRANSPORT_FAILURE_REASON%';

const proxyProtocol = extension('proxy', 'filters.listener.proxy_protocol.v3.ProxyProtocol', {
  allow_requests_without_proxy_protocol: true,
});
const originalSrc = (fields: Message = {}): Message =>
  extension('source', 'filters.listener.original_src.v3.OriginalSrc', fields);
/** Clients say who they are, and connections upstream leave from there. */
const inTheirNames: Message = { listener_filters: [proxyProtocol, originalSrc({ mark: 1337 })] };

/** As if another host of the machine's own had made the connection. */
const client = (address: string): Buffer =>
  proxyV1({ from: address, fromPort: 1234, to: address.includes(':') ? '::1' : '127.0.0.1', toPort: 80 });
const asking = (address: string): Script =>
  http1([get('/echo')], { noProbe: true, preamble: client(address) });

const inName = (name: string, on: string, play: Script, expect: Expectation): Case => ({
  name: `original source: ${name}`,
  covers: 'upstream',
  ...{ on, play, expect },
});

/** One after the other, so that connections could be shared. */
const inTurn =
  (...addresses: readonly string[]): Script =>
  async (play) => {
    const views = [];
    for (const address of addresses) views.push(await asking(address)(play));
    return {
      statuses: views.flatMap(({ statuses }) => statuses),
      lines: views.flatMap(({ lines }) => lines),
    };
  };

const originalSources: Group = {
  name: 'original source',
  backends: { a: http1Backend(), h2: http2Backend(), tcp: tcpBackend() },
  bootstrap: ({ ports }) => {
    const to = (name: string, more: Message = inTheirNames, clusterName = name): Message =>
      httpListener(
        name,
        { routes: [route('/', { cluster: clusterName })], log: [FROM, REASON, 'end'] },
        more,
      );
    const plain = (name: string): Message =>
      tcpProxy(name, { cluster: name, access_log: [tcpLog('%RESPONSE_FLAGS%', FROM, REASON, 'end')] });
    return bootstrap(
      [
        to('web'),
        to('first', { listener_filters: [originalSrc(), proxyProtocol] }),
        to('skipped', {
          listener_filters: [proxyProtocol, { ...originalSrc(), filter_disabled: { any_match: true } }],
        }),
        to('elsewhere'),
        to('many'),
        to('h2'),
        listener('tcp', plain('tcp'), inTheirNames),
      ],
      [
        ...['web', 'first', 'skipped', 'many'].map((name) => cluster(name, [ports.a!])),
        cluster('elsewhere', [ports.a!], { upstream_bind_config: source('127.0.0.6') }),
        http2Cluster('h2', [ports.h2!]),
        cluster('tcp', [ports.tcp!]),
      ],
    );
  },
  cases: [
    inName('another client', 'web', asking('127.0.0.9'), from('127.0.0.9')),
    inName('the connection itself', 'web', http1([get('/echo')], { noProbe: true }), from('127.0.0.1')),
    inName('before anybody has said who it is', 'first', asking('127.0.0.9'), from('127.0.0.1')),
    inName('not where the filter is not', 'skipped', asking('127.0.0.9'), from('127.0.0.1')),
    inName('before what the cluster says', 'elsewhere', asking('127.0.0.9'), from('127.0.0.9')),
    inName('of the other version', 'web', asking('::1'), cannot(/local_connection_failure} /)),
    inName(
      'connections are of one client each',
      'many',
      inTurn('127.0.0.9', '127.0.0.10', '127.0.0.9', '127.0.0.10'),
      { status: [200, 200, 200, 200], stats: { 'cluster.many.upstream_cx_total': 2 } },
    ),
    inName('to an endpoint of HTTP/2', 'h2', asking('127.0.0.9'), from('127.0.0.9')),
    {
      ...inName(
        'without HTTP',
        'tcp',
        tcp(['hello', { until: /done/ }, { end: true }], { preamble: client('127.0.0.9') }),
        {
          client: /done/,
          log: /^tcp - from=127\.0\.0\.9 /,
        },
      ),
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
    },
  ],
};

export const groups: readonly Group[] = [
  originalSources,
  {
    name: 'source address',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) => {
      const ways: Readonly<Record<string, Message>> = {
        plain: source('127.0.0.6'),
        nowhere: source('192.0.2.77'),
        free: { ...source('192.0.2.77'), freebind: true },
        other: source('::1'),
        extra: {
          ...source('::1'),
          extra_source_addresses: [{ address: { address: '127.0.0.7', port_value: 0 } }],
        },
        options: {
          ...source('127.0.0.8'),
          socket_options: [
            { level: SOL_SOCKET, name: SO_MARK, int_value: 7 },
            { level: IPPROTO_TCP, name: TCP_NODELAY, buf_value: 'AQAAAA==' },
          ],
        },
        unknown: { ...source('127.0.0.8'), socket_options: [{ level: 250, name: 250, int_value: 1 }] },
        alone: { socket_options: [{ level: SOL_SOCKET, name: SO_MARK, int_value: 7 }] },
      };
      return bootstrap(
        Object.keys(ways).map((name) =>
          httpListener(name, {
            routes: [route('/', { cluster: name })],
            log: ['from=%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', '%UPSTREAM_TRANSPORT_FAILURE_REASON%', 'end'],
          }),
        ),
        Object.entries(ways).map(([name, config]) =>
          cluster(name, [ports.a!], { upstream_bind_config: config }),
        ),
      );
    },
    cases: [
      row('another address of the host', 'plain', from('127.0.0.6')),
      row('not of this host', 'nowhere', cannot(/failed_to_bind/, { 'cluster.nowhere.bind_errors': 1 })),
      row('not of this host, and free', 'free', { status: 503 }),
      row('of the other version', 'other', cannot(/failed_to_bind/)),
      row('one for each version', 'extra', from('127.0.0.7')),
      row('with options', 'options', from('127.0.0.8')),
      row('an option that nobody knows', 'unknown', cannot(/local_connection_failure} /)),
      row('options without an address', 'alone', from('127.0.0.1')),
    ],
  },
  {
    name: 'source address of the whole proxy',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) => {
      const own: Readonly<Record<string, Message>> = {
        silent: {},
        different: { upstream_bind_config: source('127.0.0.7') },
        empty: { upstream_bind_config: {} },
      };
      return {
        ...bootstrap(
          Object.keys(own).map((name) =>
            httpListener(name, {
              routes: [route('/', { cluster: name })],
              log: ['from=%UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%', 'end'],
            }),
          ),
          Object.entries(own).map(([name, more]) => cluster(name, [ports.a!], more)),
        ),
        cluster_manager: { upstream_bind_config: source('127.0.0.6') },
      };
    },
    cases: [
      row('a cluster that says nothing', 'silent', from('127.0.0.6')),
      row('a cluster with its own', 'different', from('127.0.0.7')),
      row('a cluster with an empty one', 'empty', from('127.0.0.1')),
    ],
  },
];

if (import.meta.main) compare(groups);
