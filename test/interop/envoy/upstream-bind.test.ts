/** The address that connections upstream leave from, and the options of their sockets (upstream_bind_config). */
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

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

export const groups: readonly Group[] = [
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
