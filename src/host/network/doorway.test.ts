import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer, type Server, Socket } from 'node:net';
import { join as joinPath } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, type TestContext, test } from 'node:test';
import { tempDir } from '../../../test/support/temp-dir.ts';
import { Doorway, join, throughDoorway } from './doorway.ts';

async function open(t: TestContext): Promise<Doorway> {
  const doorway = await Doorway.open(joinPath(tempDir(t), 'door'));
  t.after(() => doorway.close());
  return doorway;
}

async function serve(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as { port: number }).port;
}

describe('Doorway', () => {
  test('bytes both ways, each with its own end', async (t) => {
    const { path } = await open(t);
    const port = await serve(
      t,
      createServer({ allowHalfOpen: true }, (socket) => {
        socket.write('hello ');
        let heard = '';
        socket.on('data', (bytes) => (heard += bytes));
        socket.on('end', () => socket.end(heard.toUpperCase()));
      }),
    );
    const socket = await throughDoorway(path, '127.0.0.1', port);
    socket.end('x'.repeat(1_000_000));
    assert.equal(await text(socket), `hello ${'X'.repeat(1_000_000)}`);
  });

  test('what cannot be reached, with its reason', async (t) => {
    const { path } = await open(t);
    const port = await serve(t, createServer());
    const closed = createServer();
    const gone = await serve(t, closed);
    closed.close();
    await assert.rejects(throughDoorway(path, '127.0.0.1', gone), { code: 'ECONNREFUSED' });
    await assert.rejects(throughDoorway(path, 'not an address', port), { code: 'ECONNRESET' });
    await assert.rejects(throughDoorway(`${path}x`, '127.0.0.1', port), { code: 'ECONNRESET' });
  });

  test('a connection that is reset ends', async (t) => {
    const { path } = await open(t);
    const port = await serve(
      t,
      createServer((socket) => socket.once('data', () => socket.resetAndDestroy())),
    );
    const socket = await throughDoorway(path, '127.0.0.1', port);
    socket.on('error', () => {});
    socket.resume().write('x');
    await once(socket, 'end');
    socket.destroy();
  });

  test('what goes through ends with the doorway', async (t) => {
    const doorway = await open(t);
    const taken = Promise.withResolvers<Socket>();
    const port = await serve(
      t,
      createServer((socket) => taken.resolve(socket.on('error', () => {}).resume())),
    );
    const socket = await throughDoorway(doorway.path, '127.0.0.1', port);
    const ends = [socket.resume(), await taken.promise].map((one) => once(one, 'close'));
    await doorway.close();
    socket.end();
    await Promise.all(ends);
  });

  test('one side that is gone before the other is there ends it', async (t) => {
    const { path } = await open(t);
    const port = await serve(t, createServer());
    const far = await throughDoorway(path, '127.0.0.1', port);
    join(new Socket().destroy(), far);
    assert.ok(far.destroyed);
  });

  test('nonsense ends the connection, and nothing else', async (t) => {
    const { path } = await open(t);
    for (const line of ['\n', 'x'.repeat(1000), '127.0.0.1\n', '127.0.0.1 http\n']) {
      const socket = connect({ path });
      socket.on('error', () => {});
      socket.write(line);
      socket.resume();
      await once(socket, 'close');
    }
    const port = await serve(
      t,
      createServer((socket) => socket.end('there')),
    );
    assert.equal(await text(await throughDoorway(path, '127.0.0.1', port)), 'there');
  });
});
