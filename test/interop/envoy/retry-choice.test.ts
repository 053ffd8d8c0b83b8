/** Whether a request is made again, and what becomes of it: policies, requests and failures by chance. */
import { onHttp1, onHttp2 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { http2 as http2Backend } from './backend/http2.ts';
import { drawRetries, failHttp1, failHttp2, KEPT_BYTES } from './cases/retry-draws.ts';
import { bootstrap, cluster, http2Cluster, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { Draw } from './harness/draw.ts';
import { http1, request } from './wire/http1.ts';

const CASES = 150;
/** Ones whose upstream is not there. */
const REFUSED = 10;

type Upstream = 'h1' | 'h2';

const drawn = (to: string, at: number): ReturnType<typeof drawRetries> =>
  drawRetries(new Draw(`retries ${to} ${at}`), to === 'h2' ? 2 : 1);

const routesTo = (to: string, count: number): Message[] =>
  Array.from({ length: count }, (_, at) => route(`/${to}/${at}/`, { cluster: to, ...drawn(to, at).action }));

function caseOf(to: string, at: number): Case {
  const { attempts, headers, ...one } = drawn(to, at);
  // How much of a body comes before a connection is refused is a matter of time.
  const bodyBytes = to === 'refused' ? 0 : one.bodyBytes;
  const method = bodyBytes === 0 ? 'GET' : 'POST';
  const length = bodyBytes === 0 ? [] : [`content-length: ${bodyBytes}`];
  return {
    name: `retry choice: ${to}, ${at}`,
    covers: 'retries',
    table: 'retry choice',
    answers: { h1: onHttp1(failHttp1(attempts)), h2: onHttp2(failHttp2(attempts)) } satisfies Record<
      Upstream,
      unknown
    >,
    play: http1([request(method, `/${to}/${at}/`, [...length, ...headers], 'x'.repeat(bodyBytes))], {
      methods: [method],
      noProbe: true,
    }),
    expect: { client: /^HTTP\/1\.1 [2-5]\d\d / },
  };
}

const casesTo = (to: string, count: number): Case[] =>
  Array.from({ length: count }, (_, at) => caseOf(to, at));

export const groups: readonly Group[] = [
  {
    name: 'retry choice',
    backends: { h1: http1Backend(), h2: http2Backend() },
    bootstrap: ({ ports: { h1 = 0, h2 = 0 } }) =>
      bootstrap(
        [
          httpListener(
            'main',
            {
              routes: [...routesTo('h1', CASES), ...routesTo('h2', CASES), ...routesTo('refused', REFUSED)],
              hcm: {
                use_remote_address: true,
                internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
              },
              log: ['attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT%'],
            },
            { per_connection_buffer_limit_bytes: KEPT_BYTES },
          ),
        ],
        [cluster('h1', [h1]), http2Cluster('h2', [h2]), cluster('refused', [1])],
      ),
    cases: [...casesTo('h1', CASES), ...casesTo('h2', CASES), ...casesTo('refused', REFUSED)],
  },
];

if (import.meta.main) compare(groups);
