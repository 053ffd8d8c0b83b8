/** A proxy that nobody asks anything: how often it wakes, over all its threads. */
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startProxyChild } from '../support/proxy-child.ts';

const at = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });
const bootstrap = JSON.stringify({
  admin: { address: at(0) },
  static_resources: {
    listeners: [
      {
        name: 'web',
        address: at(0),
        filter_chains: [
          {
            filters: [
              {
                name: 'tcp',
                typed_config: {
                  '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
                  stat_prefix: 'web',
                  cluster: 'app',
                },
              },
            ],
          },
        ],
      },
    ],
    clusters: [
      {
        name: 'app',
        type: 'STATIC',
        load_assignment: {
          cluster_name: 'app',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: at(1) } }] }],
        },
      },
    ],
  },
});

/** Voluntary context switches of a process since its start: each is a wait, so it woke as often. */
function wakes(pid: number): number {
  return readdirSync(`/proc/${pid}/task`)
    .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8'))
    .reduce((sum, text) => sum + Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(text)?.[1]), 0);
}

/** What follows a start is over: code is compiled, garbage collected. */
const SETTLED_MS = 3000;
const WINDOW_MS = 5000;
const MOST_A_SECOND = 5;
const MOST_WINDOWS = 6;

test('an idle proxy wakes at most five times a second', { skip: process.platform !== 'linux' }, async (t) => {
  const proxy = startProxyChild(t, bootstrap);
  await proxy.port('web');
  await wait(SETTLED_MS);
  // On a busy machine what follows a start takes longer: it must come to rest at last.
  const seen: number[] = [];
  while (seen.length < MOST_WINDOWS && (seen.at(-1) ?? Number.POSITIVE_INFINITY) > MOST_A_SECOND) {
    const before = wakes(proxy.child.pid!);
    await wait(WINDOW_MS);
    seen.push(((wakes(proxy.child.pid!) - before) * 1000) / WINDOW_MS);
  }
  assert.ok(seen.at(-1)! <= MOST_A_SECOND, `${seen.join(', ')} a second`);
});
