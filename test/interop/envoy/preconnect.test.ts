/** Connections made before there are requests for them. */
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import {
  address,
  bootstrap,
  cluster,
  http2Cluster,
  httpListener,
  type Message,
  protocolOptions,
  route,
} from './harness/bootstrap.ts';
import type { Case, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

/** So many requests one after the other, and the connections that come of them. */
const opened = (name: string, to: string, requests: number, connections: number): Case => ({
  name: `ahead: ${name}`,
  covers: 'preconnect',
  play: async (at) => {
    const statuses: number[] = [];
    for (let i = 0; i < requests; i++) statuses.push(...(await http1([get(`/${to}`)])(at)).statuses);
    return { statuses, lines: [] };
  },
  expect: {
    status: Array.from({ length: requests }, () => 200),
    stats: { [`cluster.${to}.upstream_cx_total`]: connections },
  },
});

const ahead = (policy: Message): Message => ({ preconnect_policy: policy });
const each = (ratio: number): Message => ahead({ per_upstream_preconnect_ratio: ratio });
const limit = (limits: Message): Message => ({ circuit_breakers: { thresholds: [limits] } });
const oneStream = protocolOptions({
  explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 1 } },
});

const cases: readonly Case[] = [
  opened('none where nothing is said', 'plain', 2, 1),
  opened('none at a ratio of one', 'one', 2, 1),
  opened('one more for a request', 'two', 1, 2),
  opened('two more for a request', 'three', 1, 3),
  opened('a part of a request counts', 'part', 1, 2),
  opened('what is there is enough', 'again', 3, 2),
  opened('not beyond the limit of connections', 'limited', 1, 2),
  opened('one connection of HTTP/2 is enough', 'h2', 1, 1),
  opened('HTTP/2 with one stream a connection', 'streams', 1, 3),
  opened('not to endpoints that are not well', 'degraded', 1, 1),
  opened('a connection for one request', 'single', 2, 3),
];

const on = (port: number, health: string): Message => ({ endpoint: address(port), health_status: health });

const of = (paths: readonly string[]): Message =>
  httpListener('main', {
    routes: paths.map((path) => route(`/${path}`, { cluster: path, prefix_rewrite: '/echo' })),
  });

const hosts = ['127.0.0.1', '127.0.0.2', '127.0.0.3'];

/** One cluster of three endpoints: Envoy counts what all clusters have. */
function foreseen(
  name: string,
  ratio: number,
  requests: number,
  connections: number,
  more: Message = {},
): Group {
  return {
    name: `preconnect: ${name}`,
    backends: { a: http1Backend({ host: '0.0.0.0' }) },
    bootstrap: ({ ports: { a = 0 } }) =>
      bootstrap(
        [of(['all'])],
        [
          cluster(
            'all',
            hosts.map((host) => ({ endpoint: address(a, host) })),
            { ...ahead({ predictive_preconnect_ratio: ratio }), ...more },
          ),
        ],
      ),
    cases: [opened(name, 'all', requests, connections)],
  };
}

export const groups: readonly Group[] = [
  {
    name: 'preconnect',
    backends: { a: http1Backend(), h2: http2Backend() },
    bootstrap: ({ ports: { a = 0, h2 = 0 } }) =>
      bootstrap(
        [
          of([
            ...['plain', 'one', 'two', 'three', 'part', 'again', 'limited', 'h2', 'streams', 'degraded'],
            'single',
          ]),
        ],
        [
          cluster('plain', [a]),
          cluster('one', [a], each(1)),
          cluster('two', [a], each(2)),
          cluster('three', [a], each(3)),
          cluster('part', [a], each(1.5)),
          cluster('again', [a], each(2)),
          cluster('limited', [a], { ...each(3), ...limit({ max_connections: 2 }) }),
          http2Cluster('h2', [h2], each(3)),
          http2Cluster('streams', [h2], { ...each(3), ...oneStream }),
          cluster('degraded', [on(a, 'DEGRADED')], each(3)),
          cluster('single', [a], {
            ...each(2),
            ...protocolOptions({
              explicit_http_config: { http_protocol_options: {} },
              common_http_protocol_options: { max_requests_per_connection: 1 },
            }),
          }),
        ],
      ),
    cases,
  },
  foreseen('the next endpoint', 1.5, 1, 3),
  foreseen('the next two endpoints', 3, 1, 3),
  foreseen('all endpoints in time', 2, 3, 3),
  foreseen('nothing is foreseen at a ratio of one', 1, 1, 1),
  foreseen('the least busy endpoint is not known', 3, 1, 1, { lb_policy: 'LEAST_REQUEST' }),
  foreseen('hashes are not known', 3, 1, 1, { lb_policy: 'RING_HASH' }),
];

if (import.meta.main) compare(groups);
