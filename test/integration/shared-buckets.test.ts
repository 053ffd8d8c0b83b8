/** A token bucket of a filter is one for all threads. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrap, httpListener } from '../support/data-path.ts';
import { rawClient } from '../support/raw-tcp.ts';
import { startThreads } from '../support/threads.ts';

const ALL = 'default_value: { numerator: 100 }';
const LIMIT = `
          - name: limit
            typed_config:
              '@type': type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit
              stat_prefix: limit
              filter_enabled: { ${ALL} }
              filter_enforced: { ${ALL} }
              token_bucket: { max_tokens: 7, tokens_per_fill: 1, fill_interval: 36000s }
`.slice(1);
const ROUTES = '[{ match: { prefix: / }, direct_response: { status: 204 } }]';

test('two threads let through what the bucket holds, and no more', async (t) => {
  const listener = httpListener({ routes: ROUTES })
    // Threads would open a file.
    .replace(/ +access_log:\n.*\n/, '')
    .replace('          - { name: router', `${LIMIT}          - { name: router`);
  const path = await startThreads(t, bootstrap([listener], []));
  const port = await path.port('web');
  const clients = Array.from({ length: 40 }, () => rawClient(t, port));
  const answers = await Promise.all(
    clients.map((client) => {
      client.socket.write('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
      return client.until((text) => text.includes('\r\n\r\n'));
    }),
  );
  const served = [0, 1].map((n) => path.stat(`listener.127.0.0.1_0.worker_${n}.downstream_cx_total`));
  assert.ok(
    served.every((count) => count > 0),
    `connections of the threads: ${served.join(', ')}`,
  );
  assert.equal(answers.filter((text) => text.startsWith('HTTP/1.1 204 ')).length, 7);
  assert.equal(answers.filter((text) => text.startsWith('HTTP/1.1 429 ')).length, 33);
});
