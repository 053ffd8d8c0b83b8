/** Groups of HTTP/2 clients: a listener `main` with the limits that cases need, to HTTP/1 and HTTP/2 upstreams. */
import { http1 } from '../backend/http1.ts';
import { http2 } from '../backend/http2.ts';
import { bootstrap, cluster, http2Cluster, httpListener, type Message, route } from './bootstrap.ts';
import type { Case, Group } from './case.ts';

/** @param hcm more fields of the connection manager. */
export function http2Group(name: string, cases: readonly Case[], hcm: Message = {}): Group {
  return {
    name,
    backends: { a: http1(), h2: http2() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            codec: 'HTTP2',
            routes: [
              route('/h2/', { cluster: 'h2', prefix_rewrite: '/', timeout: '5s' }),
              {
                match: { path: '/direct' },
                direct_response: { status: 200, body: { inline_string: 'here' } },
              },
              route('/', { timeout: '5s' }),
            ],
            hcm: { use_remote_address: true, ...hcm },
          }),
        ],
        [cluster('a', [ports.a!]), http2Cluster('h2', [ports.h2!])],
      ),
    cases,
  };
}
