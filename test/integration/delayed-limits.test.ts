/** Time limits of requests that a filter has held: they begin when it lets them go on (Envoy). */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrap, cluster, httpListener, startDataPath } from '../support/data-path.ts';
import { httpServer, ok, rawClient } from '../support/raw-tcp.ts';

const type = 'type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault';
const delay = '{ fixed_delay: 3s, percentage: { numerator: 100 } }';
const fault = `{ name: envoy.filters.http.fault, typed_config: { "@type": ${type}, delay: ${delay} } }`;
const routes = '[{ match: { prefix: / }, route: { cluster: app, timeout: 2s } }]';

test('a delay longer than the time limit of its route leaves it whole', async (t) => {
  const server = await httpServer(t, (target) => ok(target));
  const listener = httpListener({ routes, filters: [fault] });
  const path = await startDataPath(t, bootstrap([listener], [cluster('app', [server.port])]));
  const client = rawClient(t, path.port('web'));
  client.socket.write('GET /x HTTP/1.1\r\nhost: a\r\n\r\n');
  await client.until((text) => text.includes('\r\n\r\n'));
  assert.match(client.text(), /^HTTP\/1.1 200 /);
});
