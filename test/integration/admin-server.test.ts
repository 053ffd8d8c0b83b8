/** The small server behind the admin, readiness and metrics ports, spoken to byte by byte. */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { textReply } from '#proxy/admin/contract.ts';
import { servePages } from '#proxy/admin/server.ts';
import { clientOf, type RawClient } from '../support/raw-tcp.ts';
import { tempDir } from '../support/temp-dir.ts';

async function client(t: TestContext): Promise<RawClient> {
  const path = join(tempDir(t), 'admin.sock');
  const server = await servePages({ kind: 'pipe', path }, async (method, target) => {
    if (target === '/bug') throw new Error('a bug');
    return textReply(`${method} ${target}\n`);
  });
  t.after(() => server.close());
  return clientOf(t, connect({ path, allowHalfOpen: true }));
}

const heads = (text: string): number => text.match(/^HTTP\/1\.1 /gm)?.length ?? 0;

describe('pages on a socket', () => {
  test('answers one request after the other, whatever came with it', async (t) => {
    const { socket, until } = await client(t);
    socket.write('POST /one HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nbodyGET /two?a=b HTTP/1.1\r\n');
    socket.write('host: a\r\n\r\nGET /three HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n');
    socket.write('3\r\nabc\r\n0\r\n\r\n');
    const text = await until((all) => heads(all) === 3 && all.endsWith('three\n'));
    assert.deepEqual(text.match(/^(GET|POST) .*$/gm), ['POST /one', 'GET /two?a=b', 'GET /three']);
    assert.match(text, /^content-length: 10\r$/m);
    assert.match(text, /^x-content-type-options: nosniff\r$/m);
  });

  test('gives HEAD the head alone', async (t) => {
    const { socket, until } = await client(t);
    socket.write('HEAD / HTTP/1.1\r\nhost: a\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\n\r\n');
    const text = await until((all) => all.endsWith('GET /next\n'));
    assert.match(text, /content-length: 7\r\n\r\nHTTP\/1\.1 200 OK/);
  });

  for (const [name, request, status] of [
    ['HTTP/1.0', 'GET / HTTP/1.0\r\n\r\n', 200],
    ['a wish to close', 'GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n', 200],
    ['no HTTP', 'nonsense\r\n\r\n', 400],
    ['a tunnel', 'CONNECT a:1 HTTP/1.1\r\nhost: a:1\r\n\r\n', 405],
  ] as const) {
    test(`closes after ${name}`, async (t) => {
      const { socket, ended } = await client(t);
      socket.write(request);
      assert.match(await ended(), new RegExp(`^HTTP/1\\.1 ${status} [\\s\\S]*connection: close\\r\\n`));
    });
  }

  test('answers a client that has said all it will say', async (t) => {
    const { socket, ended } = await client(t);
    socket.end('GET /last HTTP/1.1\r\nhost: a\r\n\r\n');
    assert.match(await ended(), /GET \/last\n$/);
  });

  test('a page that fails is a 500, and the connection goes on', async (t) => {
    const { socket, until } = await client(t);
    socket.write('GET /bug HTTP/1.1\r\nhost: a\r\n\r\nGET /next HTTP/1.1\r\nhost: a\r\n\r\n');
    const text = await until((all) => all.endsWith('GET /next\n'));
    assert.match(text, /^HTTP\/1\.1 500 Internal Server Error\r\n[\s\S]*a bug\n/);
  });
});
