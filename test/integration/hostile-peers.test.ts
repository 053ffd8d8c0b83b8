/** Peers that end at every byte of TLS and of plain TCP, and systems that have nothing left: nothing hangs, leaks or spreads. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import tls from 'node:tls';
import { duplicateDescriptor } from '#host/duplicate-descriptor.ts';
import { OwnCount } from '#proxy/cluster/limited-count.ts';
import { TestRoot } from '../support/certificates.ts';
import {
  bootstrap,
  cluster,
  httpListener,
  type RunningDataPath,
  startDataPath,
} from '../support/data-path.ts';
import { eventually } from '../support/eventually.ts';
import { ending, h2Client } from '../support/h2-client.ts';
import { describeInNamespaces, runInNamespaces } from '../support/namespaces.ts';
import { startProxyChild } from '../support/proxy-child.ts';
import { ok, rawClient, rawServer } from '../support/raw-tcp.ts';
import { tcpListener } from '../support/tcp-chain.ts';

const TLS = 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3';
const toApp = '[{ match: { prefix: / }, route: { cluster: app } }]';
const says = '[{ match: { prefix: / }, direct_response: { status: 200, body: { inline_string: well } } }]';

/** Sockets that are open, of the test and of what it tests. */
const openSockets = (): number => readdirSync('/proc/self/fd').length;

/** With an error or without. */
const closed = (socket: Socket): Promise<void> =>
  new Promise((resolve) => socket.on('close', () => resolve()));

type Ending = (socket: Socket) => void;
const endings: Readonly<Record<string, Ending>> = {
  reset: (socket) => socket.resetAndDestroy(),
  'being gone': (socket) => socket.destroy(),
};

/** Passes bytes on to `port` until `limit` of them have come from the client; then `end`s the connection. */
async function cutter(t: TestContext, port: number, end: Ending): Promise<{ port: number; limit: number }> {
  const cut = { port: 0, limit: 0 };
  const server = await rawServer(t, (near) => {
    let left = cut.limit;
    const far = connect(port, '127.0.0.1');
    far.on('error', () => near.destroy());
    far.on('data', (data) => near.write(data));
    far.on('close', () => near.destroy());
    near.on('data', (data: Buffer) => {
      const piece = data.subarray(0, left);
      left -= piece.length;
      far.write(piece, () => left === 0 && end(far));
    });
  });
  cut.port = server.port;
  return cut;
}

async function atEase(path: RunningDataPath, listener: string, before: number): Promise<void> {
  await eventually(() => {
    assert.equal(path.stat(`listener.${listener}.downstream_cx_active`), 0);
    assert.equal(path.stat('server.request_exceptions'), 0);
    // An idle connection upstream may be left.
    assert.ok(openSockets() <= before + 2, `${openSockets()} files are open, of ${before}`);
  });
}

describe('a client of TLS that goes at every byte', () => {
  for (const leanTlsAfter of [Number.POSITIVE_INFINITY, 0]) {
    for (const [name, end] of Object.entries(endings)) {
      test(`by ${name}${leanTlsAfter === 0 ? ', of a lean connection' : ''}`, async (t) => {
        const root = await TestRoot.create('root');
        const { cert, key } = await root.issue({ dns: ['a'] });
        const files: Readonly<Record<string, string>> = { cert, key };
        const context = `{ name: tls, typed_config: { '@type': ${TLS}.DownstreamTlsContext, common_tls_context: { tls_certificates: [{ certificate_chain: { filename: cert }, private_key: { filename: key } }] } } }`;
        const path = await startDataPath(
          t,
          bootstrap([httpListener({ routes: says, transportSocket: context })], []),
          undefined,
          undefined,
          { leanTlsAfter, readFile: (file) => Buffer.from(files[file]!) },
        );
        const cut = await cutter(t, path.port('web'), end);
        const ask = async (): Promise<boolean> => {
          const socket = tls.connect({ port: cut.port, host: '127.0.0.1', rejectUnauthorized: false });
          let answered = false;
          socket.on('error', () => {});
          socket.on('secureConnect', () =>
            socket.write('GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n'),
          );
          socket.on('data', () => {
            answered = true;
          });
          await closed(socket);
          return answered;
        };
        const before = openSockets();
        let limit = 1;
        for (cut.limit = limit; !(await ask()); cut.limit = limit) {
          assert.ok(limit < 3000, 'it is never answered');
          // The middle of the first message looks the same all over.
          limit += limit > 50 && limit < 200 ? 7 : 1;
        }
        assert.ok(limit > 300, String(limit));
        await atEase(path, '127.0.0.1_0', before);
      });
    }
  }
});

describe('a peer of TCP that goes at every byte', () => {
  for (const [name, end] of Object.entries(endings)) {
    test(`the client, by ${name}`, async (t) => {
      const app = await rawServer(t, (socket) => socket.pipe(socket));
      const path = await startDataPath(
        t,
        bootstrap([tcpListener({ proxy: 'cluster: app' })], [cluster('app', [app.port])]),
      );
      const before = openSockets();
      for (let length = 0; length < 40; length++) {
        const socket = connect(path.port('tcp'), '127.0.0.1');
        socket.on('error', () => {});
        await once(socket, 'connect');
        if (length > 0) {
          socket.write(Buffer.alloc(length));
          if (length % 2 === 0) await once(socket, 'data');
        }
        end(socket);
      }
      await atEase(path, '127.0.0.1_0', before);
      await eventually(() => assert.equal(path.stat('cluster.app.upstream_cx_active'), 0));
      assert.equal(path.lines.length, 40);
    });

    test(`the endpoint, by ${name}`, async (t) => {
      let after = 0;
      const app = await rawServer(t, (socket) => {
        if (after === 0) end(socket);
        else socket.write(Buffer.alloc(after), () => end(socket));
      });
      const path = await startDataPath(
        t,
        bootstrap([tcpListener({ proxy: 'cluster: app' })], [cluster('app', [app.port])]),
      );
      const before = openSockets();
      for (after = 0; after < 40; after++) {
        const socket = connect(path.port('tcp'), '127.0.0.1');
        socket.on('error', () => {});
        socket.resume();
        await closed(socket);
      }
      await atEase(path, '127.0.0.1_0', before);
      assert.equal(path.stat('cluster.app.upstream_cx_active'), 0);
    });
  }
});

describeInNamespaces('a system that has no more ports', (means) => {
  test('what cannot be connected is answered with 503, and goes on when there are some', () => {
    const program = join(import.meta.dirname, '../support/out-of-ports.ts');
    const { stdout } = runInNamespaces(means, 'ip link set lo up', [program]);
    const [before, ...then] = stdout.trim().split('\n');
    assert.equal(before, 'HTTP/1.1 200 OK');
    const [web, tcp, log, after] = then;
    assert.equal(web, 'web: HTTP/1.1 503 Service Unavailable');
    assert.equal(tcp, 'tcp: ');
    assert.match(log!, /503 UF .*Cannot_assign_requested_address/);
    assert.match(log!, /\|UF,URX 0 0$/);
    assert.equal(after, 'HTTP/1.1 200 OK');
  });
});

describe('what the system has no more of', () => {
  test('files, for connections to endpoints: 503, and it goes on when there are some', async (t) => {
    const app = await rawServer(t, (socket) => socket.on('data', () => socket.write(ok('well'))));
    const unlimited = `overload_manager: { resource_monitors: [{ name: envoy.resource_monitors.global_downstream_max_connections, typed_config: { '@type': type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig, max_active_downstream_connections: 100000 } }] }\n`;
    const admin = 'admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }\n';
    const proxy = startProxyChild(
      t,
      admin + unlimited + bootstrap([httpListener({ routes: toApp })], [cluster('app', [app.port])]),
      { openFiles: 100 },
    );
    const port = await proxy.port('web');
    const request = 'GET / HTTP/1.1\r\nhost: a\r\n\r\n';
    const warm = rawClient(t, port);
    warm.socket.write(request);
    await warm.until((text) => text.endsWith('well'));
    const open: Socket[] = [];
    // Those that find no file any more are closed.
    for (let i = 0; i < 120; i++) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => {});
      open.push(socket);
    }
    await eventually(() =>
      assert.ok(open.some(({ destroyed, readableEnded }) => destroyed || readableEnded)),
    );
    const answers = open.slice(0, 5).map(async (socket) => {
      socket.write(request);
      const [data] = await once(socket, 'data');
      return String(data).slice(9, 12);
    });
    const found = await Promise.all(answers);
    assert.ok(found.includes('503'), found.join());
    for (const socket of open) socket.destroy();
    await eventually(async () => assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200));
    assert.equal(proxy.child.exitCode, null);
  });

  test('second descriptors: no more than allowed, and given back', async (t) => {
    const app = await rawServer(t, (socket) => socket.resume().on('end', () => socket.end()));
    const secondDescriptors = new OwnCount(1);
    let duplicated = 0;
    const path = await startDataPath(
      t,
      bootstrap([tcpListener({ proxy: 'cluster: app' })], [cluster('app', [app.port])]),
      undefined,
      undefined,
      {
        secondDescriptors,
        duplicateDescriptor(socket) {
          duplicated++;
          return duplicateDescriptor(socket);
        },
      },
    );
    const before = openSockets();
    const send = async (): Promise<Socket> => {
      const socket = connect(path.port('tcp'), '127.0.0.1');
      await new Promise<void>((sent) => socket.write(Buffer.alloc(4 * 1024 * 1024), () => sent()));
      return socket;
    };
    const first = await send();
    const second = await send();
    assert.equal(duplicated, 1);
    assert.equal(secondDescriptors.value, 1);
    first.destroy();
    await eventually(() => assert.equal(secondDescriptors.value, 0));
    const third = await send();
    assert.equal(duplicated, 2);
    second.destroy();
    third.destroy();
    await eventually(() => assert.equal(secondDescriptors.value, 0));
    await atEase(path, '127.0.0.1_0', before);
  });

  test('memory for bodies of HTTP/2: what nobody reads is reset, and the rest goes on', async (t) => {
    const app = await rawServer(t, (socket) => {
      let head = '';
      socket.on('data', (data) => {
        head += data.toString('latin1');
        if (head.includes('/stuck')) socket.pause();
        else if (head.includes('0\r\n\r\n')) socket.write(ok('well'));
      });
    });
    const path = await startDataPath(
      t,
      bootstrap([httpListener({ routes: toApp })], [cluster('app', [app.port])]),
      undefined,
      undefined,
      { bodyMemoryBytes: 1024 * 1024 },
    );
    const client = h2Client(t, path.port('web'));
    const stuck = Array.from({ length: 100 }, () => {
      const { recorder, ended } = ending();
      const stream = client.connection.open(recorder);
      stream.sendRequest('POST', 'http', 'a', '/stuck', '', [], false);
      stream.sendData(Buffer.alloc(8 * 1024 * 1024), true);
      return { ended, stream };
    });
    const first = await Promise.race(stuck.map(({ ended }) => ended));
    assert.match(first.log.join(), /^reset 11 peer/);
    await eventually(() => assert.ok(path.stat('http2.body_memory_overflow') > 0));
    for (const { stream } of stuck) stream.reset();
    const other = h2Client(t, path.port('web'));
    await eventually(async () => {
      const { recorder, ended } = ending();
      const stream = other.connection.open(recorder);
      stream.sendRequest('POST', 'http', 'a', '/', '', [], false);
      stream.sendData(Buffer.from('hello'), true);
      assert.equal((await ended).text, 'well');
    });
  });
});
