import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { inboundQuiet } from './inbound-quiet.ts';
import { Pause } from './pause.ts';

const LONG_MS = 20_000;

/** An admin interface that shows one page after the other, the last one for ever. @returns its URL, and what is left */
async function admin(t: TestContext, pages: readonly string[]): Promise<{ url: string; left: string[] }> {
  const left = [...pages];
  const server = createServer((_, response) => response.end(left.length > 1 ? left.shift() : left[0])).listen(
    0,
    '127.0.0.1',
  );
  t.after(() => server.close());
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, left };
}

const page = (inbound: number, outbound: number, early = 0): string => `
listener.0.0.0.0_15006.downstream_pre_cx_active: ${early}
listener.0.0.0.0_15006.downstream_cx_active: ${inbound}
listener.0.0.0.0_15006.worker_0.downstream_cx_active: ${inbound}
listener.[__]_15006.downstream_cx_active: 0
listener.10.0.0.1_9080.downstream_cx_active: ${outbound}
`;

describe('waiting for the last connections to an instance', () => {
  test('ends when there is none, whatever it has to others', async (t) => {
    const { url, left } = await admin(t, [page(2, 1), page(0, 1), page(0, 1, 1), page(0, 1), page(0, 1)]);
    await inboundQuiet({ adminUrl: url, ports: [15_006] }, LONG_MS, new Pause());
    assert.deepEqual(left, [page(0, 1)], 'the last one was asked for twice');
  });

  test('counts every port that others come by', async (t) => {
    const { url, left } = await admin(t, [page(0, 1), page(0, 0)]);
    await inboundQuiet({ adminUrl: url, ports: [15_006, 9080] }, LONG_MS, new Pause());
    assert.deepEqual(left, [page(0, 0)]);
  });

  test('ends with the time, with the patience, and with the proxy', async (t) => {
    const { url } = await admin(t, [page(1, 0)]);
    const inbound = { adminUrl: url, ports: [15_006] };
    await inboundQuiet(inbound, 1, new Pause());
    const pause = new Pause();
    const waiting = inboundQuiet(inbound, LONG_MS, pause);
    pause.end();
    await waiting;
    await inboundQuiet({ adminUrl: 'http://127.0.0.1:1', ports: [15_006] }, LONG_MS, new Pause());
  });
});
