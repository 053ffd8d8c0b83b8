/** Peers that end their connection at every byte, in order and not: nothing hangs, leaks or spreads. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { ByteWriter } from '#http/codec/h2/byte-writer.ts';
import { HpackEncoder } from '#http/codec/h2/hpack/encoder.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { rawClient, rawServer } from '../support/raw-tcp.ts';

const toApp = '[{ match: { prefix: / }, route: { cluster: app } }]';
const response =
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Some: value\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: t\r\n\r\n';

const frame = (type: number, flags: number, stream: number, body: Buffer): Buffer => {
  const head = Buffer.alloc(9);
  head.writeUIntBE(body.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, body]);
};

function http2Request(): Buffer {
  const block = new ByteWriter();
  new HpackEncoder(4096).encodeRequest(block, 'POST', 'http', 'a', '/path', '', ['x-some', 'value']);
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
    frame(4, 0, 0, Buffer.alloc(0)),
    frame(1, 4, 1, Buffer.from(block.buffer.subarray(0, block.length))),
    frame(0, 0, 1, Buffer.from('hello')),
    frame(0, 1, 1, Buffer.from('world')),
  ]);
}

const requests: [name: string, bytes: Buffer][] = [
  [
    'HTTP/1.1',
    Buffer.from('POST /path HTTP/1.1\r\nHost: a\r\nX-Some: value\r\nContent-Length: 10\r\n\r\nhelloworld'),
  ],
  [
    'HTTP/1.1 in chunks',
    Buffer.from('POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'),
  ],
  [
    'a WebSocket',
    Buffer.from('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n\x81\x00'),
  ],
  ['HTTP/2', http2Request()],
];

async function atEase(path: RunningDataPath): Promise<void> {
  await eventually(() => {
    for (const gauge of [
      'http.web.downstream_cx_active',
      'http.web.downstream_rq_active',
      'cluster.app.upstream_rq_active',
      'cluster.app.upstream_rq_pending_active',
      'http2.streams_active',
    ]) {
      assert.equal(path.stat(gauge), 0, gauge);
    }
    // A connection to an endpoint has its idle timeout, and so has their pool; nothing else has one.
    const timers = 1 + path.stat('cluster.app.upstream_cx_active');
    assert.ok(
      path.dataPath.armedTimers <= timers,
      `${path.dataPath.armedTimers} timers, ${timers} connections`,
    );
  });
  assert.equal(path.stat('server.request_exceptions'), 0, 'an exception');
}

async function start(
  t: TestContext,
  answer: (socket: Socket, nth: number) => void,
): Promise<RunningDataPath> {
  const server = await rawServer(t, answer);
  return startDataPath(
    t,
    bootstrap(
      [httpListener({ routes: toApp, hcm: ['upgrade_configs: [{ upgrade_type: websocket }]'] })],
      [cluster('app', [server.port])],
    ),
  );
}

async function serves(t: TestContext, path: RunningDataPath): Promise<void> {
  const client = rawClient(t, path.port('web'));
  client.socket.write('GET /well HTTP/1.1\r\nHost: a\r\n\r\n');
  assert.match(
    await client.until(
      (text) => text.includes('X-Trailer') || text.endsWith('0\r\n\r\n') || text.includes('hello'),
    ),
    /^HTTP\/1\.1 200/,
  );
  client.socket.destroy();
}

describe('a client that goes at every byte', () => {
  for (const [name, bytes] of requests) {
    for (const how of ['reset', 'end'] as const) {
      test(`${name}, by ${how}`, async (t) => {
        const path = await start(t, (socket) => {
          socket.on('data', () => socket.write(response));
          socket.on('end', () => socket.end());
        });
        for (let length = 0; length <= bytes.length; length++) {
          const socket = connect(path.port('web'), '127.0.0.1');
          socket.on('error', () => {});
          socket.on('data', () => {});
          await once(socket, 'connect');
          const gone = once(socket, 'close');
          if (length > 0) await new Promise((resolve) => socket.write(bytes.subarray(0, length), resolve));
          if (how === 'reset') socket.resetAndDestroy();
          else {
            socket.end();
            // What waits for more of a request is answered or dropped by time-outs of its own.
            setImmediate(() => setImmediate(() => socket.destroy()));
          }
          await gone;
        }
        await atEase(path);
        await serves(t, path);
      });
    }
  }
});

describe('an endpoint that goes at every byte', () => {
  for (const how of ['reset', 'end'] as const) {
    test(`HTTP/1.1, by ${how}`, async (t) => {
      let cut = 0;
      const path = await start(t, (socket) => {
        socket.on('data', () => {
          const end = (): void => void (how === 'reset' ? socket.resetAndDestroy() : socket.end());
          if (cut === 0) end();
          else socket.write(response.slice(0, cut), () => (cut < response.length ? end() : undefined));
        });
        socket.on('end', () => socket.end());
      });
      for (cut = 0; cut < response.length; cut++) {
        const client = rawClient(t, path.port('web'));
        client.socket.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n');
        const text = await client.until(
          (all) => /^HTTP\/1\.1 50[23]/.test(all) || /^HTTP\/1\.1 200/.test(all),
        );
        if (cut < response.indexOf('\r\n\r\n') + 4)
          assert.match(text, /^HTTP\/1\.1 50[23] /, `after ${cut} bytes`);
        else {
          // The client sees that the response is not complete.
          assert.ok(!(await client.ended()).endsWith('0\r\n\r\n'), `after ${cut} bytes`);
        }
        client.socket.destroy();
      }
      await atEase(path);
      cut = response.length;
      await serves(t, path);
    });
  }
});
