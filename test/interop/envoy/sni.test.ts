/** TLS that is not ended here: chains and clusters chosen by what a client says first. */
import { tcp as tcpBackend } from './backend/tcp.ts';
import {
  bootstrap,
  cluster,
  extension,
  listener,
  type Message,
  tcpLog,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Group } from './harness/case.ts';
import type { Certificates } from './harness/certificates.ts';
import { compare } from './harness/compare.ts';
import { type TcpOptions, tcp } from './wire/tcp.ts';

const as =
  (servername: string, more: { readonly ALPNProtocols?: string[] } = {}): NonNullable<TcpOptions['tls']> =>
  ({ certificates }) => ({ servername, ca: certificates.ca, checkServerIdentity: () => undefined, ...more });

const serverSide = ({ server }: Certificates): { cert: string; key: string } => ({
  cert: server.cert,
  key: server.key,
});

/** Without sizes: those of handshakes differ by a byte or two. */
const log: Message = {
  access_log: [tcpLog('%RESPONSE_FLAGS%', 'to=%UPSTREAM_CLUSTER%', 'sni=%REQUESTED_SERVER_NAME%')],
};

const names: readonly Case[] = (
  [
    ['exact.example', 'a', 'exact'],
    ['one.wild.example', 'b', 'a wildcard'],
    ['two.one.wild.example', 'b', 'a wildcard over two labels'],
    ['more.exact.example', 'default', 'no name that matches'],
    ['', 'default', 'no name at all'],
    ['EXACT.example', 'a', 'a name in capitals'],
  ] as const
).map(
  ([servername, backend, name]): Case => ({
    ...{ name: `sni: ${name}`, covers: 'tls', on: 'passthrough', logLines: 1, table: 'names' },
    play: tcp(['who', { until: /./ }, { end: true }], { tls: as(servername) }),
    expect: {
      client: /tunnel: "/,
      upstream: new RegExp(`^${backend}\\| tls TLSv1\\.3 sni=`),
      log: new RegExp(`to=${backend} `),
    },
  }),
);

const sni: readonly Case[] = [
  ...names,
  {
    name: 'sni: no TLS',
    covers: 'tls',
    on: 'passthrough',
    logLines: 1,
    play: tcp(['hello there, this is no TLS', { until: /echo/ }, { end: true }]),
    expect: { upstream: /^plain\| "hello/ },
  },
  {
    name: 'sni: no chain that matches',
    covers: 'tls',
    on: 'strict',
    play: tcp(['who'], { tls: as('other.example') }),
    logLines: 0,
    expect: { client: /refused/, stats: { 'listener.strict.no_filter_chain_match': 1 } },
  },
  {
    name: 'sni: by ALPN',
    covers: 'tls',
    on: 'strict',
    logLines: 1,
    play: tcp(['who', { until: /./ }, { end: true }], {
      tls: as('exact.example', { ALPNProtocols: ['special'] }),
    }),
    expect: { upstream: /^b\|/ },
  },
  {
    name: 'sni: a cluster by the name',
    covers: 'tcp-proxy',
    on: 'sni-cluster',
    logLines: 1,
    play: tcp(['who', { until: /./ }, { end: true }], { tls: as('b') }),
    expect: { upstream: /^b\|/, log: /to=b sni=b/ },
  },
  {
    name: 'sni: no cluster of the name',
    covers: 'tcp-proxy',
    on: 'sni-cluster',
    logLines: 1,
    play: tcp(['who'], { tls: as('nobody') }),
    expect: { client: /refused/, log: /^tcp NC/ },
  },
];

export const groups: readonly Group[] = [
  {
    name: 'tls that passes',
    backends: {
      a: tcpBackend({ tls: serverSide }),
      b: tcpBackend({ tls: serverSide }),
      default: tcpBackend({ tls: serverSide }),
      plain: tcpBackend(),
    },
    bootstrap: ({ ports }) => {
      const inspector = {
        listener_filters: [extension('tls', 'filters.listener.tls_inspector.v3.TlsInspector')],
      };
      const to = (name: string, match?: Message): Message => ({
        ...(match === undefined ? {} : { filter_chain_match: match }),
        filters: [tcpProxy('passthrough', { cluster: name, ...log })],
      });
      return bootstrap(
        [
          {
            ...listener('passthrough', {}),
            ...inspector,
            filter_chains: [
              to('a', { server_names: ['exact.example'] }),
              to('b', { server_names: ['*.wild.example'] }),
              to('plain', { transport_protocol: 'raw_buffer' }),
            ],
            default_filter_chain: to('default'),
          },
          {
            ...listener('strict', {}),
            ...inspector,
            filter_chains: [
              to('a', { server_names: ['exact.example'] }),
              to('b', { server_names: ['exact.example'], application_protocols: ['special'] }),
            ],
          },
          {
            ...listener('sni-cluster', {}),
            ...inspector,
            filter_chains: [
              {
                filters: [
                  extension('envoy.filters.network.sni_cluster', 'filters.network.sni_cluster.v3.SniCluster'),
                  tcpProxy('sni-cluster', { cluster: 'a', ...log }),
                ],
              },
            ],
          },
        ],
        ['a', 'b', 'default', 'plain'].map((name) => cluster(name, [ports[name]!])),
      );
    },
    cases: sni,
  },
];

if (import.meta.main) compare(groups);
