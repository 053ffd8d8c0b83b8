/** HTTP/2 as clients speak it: streams, flow control, trailers, limits, the end of connections. */
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { bootstrap, cluster, http2Cluster, httpListener, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { type H2Step, type Http2Options, h2Get, http2 } from './wire/http2.ts';

const row = (
  name: string,
  steps: readonly H2Step[],
  expect: Expectation,
  options: Http2Options = {},
): Case => ({
  ...{ name, covers: 'http2', expect },
  play: http2(steps, options),
});

const streams: readonly Case[] = [
  row('h2: GET', [h2Get('/echo')], {
    status: 200,
    connection: 'open',
    upstream: [/^a\| GET \/echo HTTP\/1\.1/, /host: test\.example/],
    log: /"GET \/echo HTTP\/2" test\.example 200 /,
    stats: { 'http.main.downstream_rq_http2_total': 2 },
  }),
];

export const groups: readonly Group[] = [
  {
    name: 'http2',
    backends: { a: http1Backend(), h2: http2Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            codec: 'HTTP2',
            routes: [route('/h2', { cluster: 'h2', prefix_rewrite: '/' }), route('/')],
            hcm: { use_remote_address: true },
          }),
        ],
        [cluster('a', [ports.a!]), http2Cluster('h2', [ports.h2!])],
      ),
    cases: [...streams],
  },
];

if (import.meta.main) compare(groups);
