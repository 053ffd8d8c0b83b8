/** A process that has taken all the memory it may refuses requests, says so, and counts it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { bootstrap, httpListener } from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { startProxyChild } from '../support/proxy-child.ts';

const direct =
  '[{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: "well" } } }]';
const admin = 'admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }\n';

const manager = (maxBytes: number): string => `
overload_manager:
  refresh_interval: 0.1s
  resource_monitors:
  - name: memory
    typed_config: { '@type': type.googleapis.com/envoy.extensions.resource_monitors.fixed_heap.v3.FixedHeapConfig, max_heap_size_bytes: ${maxBytes} }
  actions:
  - { name: envoy.overload_actions.disable_http_keepalive, triggers: [{ name: memory, threshold: { value: 0.5 } }] }
  - { name: envoy.overload_actions.stop_accepting_requests, triggers: [{ name: memory, threshold: { value: 0.9 } }] }
`;

test('beyond its limit every request is answered with 503', async (t) => {
  const proxy = startProxyChild(
    t,
    admin + bootstrap([httpListener({ routes: direct })], []) + manager(1_000_000),
  );
  const port = await proxy.port('web');
  await eventually(async () => {
    const response = await fetch(`http://127.0.0.1:${port}/`);
    assert.equal(response.status, 503);
    assert.equal(await response.text(), 'envoy overloaded');
    assert.equal(response.headers.get('connection'), 'close');
  });
  const stats = await (await proxy.admin('/stats?filter=overload')).text();
  assert.match(stats, /^http\.web\.downstream_rq_overload_close: [1-9]/m);
  assert.match(stats, /^overload\.envoy\.overload_actions\.stop_accepting_requests\.active: 1$/m);
  assert.match(stats, /^overload\.memory\.pressure: \d{3,}$/m);
});

test('with reject_incoming_connections no connection is taken', async (t) => {
  const rejecting = manager(1_000_000).replace('stop_accepting_requests', 'reject_incoming_connections');
  const proxy = startProxyChild(t, admin + bootstrap([httpListener({ routes: direct })], []) + rejecting);
  const port = await proxy.port('web');
  await eventually(() => assert.rejects(fetch(`http://127.0.0.1:${port}/`)));
  const stats = await (await proxy.admin('/stats?filter=overload_reject')).text();
  assert.match(stats, /downstream_cx_overload_reject: [1-9]/);
});

test('below it nothing is refused', async (t) => {
  const proxy = startProxyChild(
    t,
    admin + bootstrap([httpListener({ routes: direct })], []) + manager(2 ** 40),
  );
  const response = await fetch(`http://127.0.0.1:${await proxy.port('web')}/`);
  assert.equal(response.status, 200);
  assert.equal(await response.text(), 'well');
});

test('an action or a monitor that is not there is refused with its place', async (t) => {
  const wrong = manager(10)
    .replace('stop_accepting_requests', 'stop_everything')
    .replace('[{ name: memory, threshold: { value: 0.5', '[{ name: menory, threshold: { value: 0.5');
  const proxy = startProxyChild(t, admin + bootstrap([httpListener({ routes: direct })], []) + wrong);
  assert.equal(await proxy.ended, 65);
  assert.match(
    proxy.output(),
    /overload_manager\.actions\[1\]\.name: "envoy\.overload_actions\.stop_everything" is not supported/,
  );
  assert.match(
    proxy.output(),
    /overload_manager\.actions\[0\]\.triggers\[0\]\.name: "menory" is no resource monitor/,
  );
});
