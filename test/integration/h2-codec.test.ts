/** Our HTTP/2 codec on real sockets, against Node's own HTTP/2 at the other end. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http2 from 'node:http2';
import { type AddressInfo, connect } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { ending, h2Client } from '../support/h2-client.ts';
import { echoServer } from '../support/h2-echo-server.ts';
import { data, get, post, preface, settings } from '../support/h2-frames.ts';

interface Answer {
  readonly status: number;
  readonly body: Buffer;
  readonly trailers: http2.IncomingHttpHeaders | undefined;
}

function nodeClient(t: TestContext, port: number): http2.ClientHttp2Session {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  session.on('error', () => {});
  t.after(() => session.destroy());
  return session;
}

async function ask(
  session: http2.ClientHttp2Session,
  headers: http2.OutgoingHttpHeaders,
  body?: Buffer,
  trailers?: http2.OutgoingHttpHeaders,
): Promise<Answer> {
  const stream = session.request(headers, {
    waitForTrailers: trailers !== undefined,
    endStream: body === undefined,
  });
  if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
  let received: http2.IncomingHttpHeaders | undefined;
  stream.on('trailers', (fields) => {
    received = fields;
  });
  if (body !== undefined) stream.end(body);
  const [[head], pieces] = await Promise.all([once(stream, 'response'), stream.toArray()]);
  return { status: head[':status'], body: Buffer.concat(pieces), trailers: received };
}

describe('our server answers the client of Node', () => {
  test('a request', async (t) => {
    const { port } = await echoServer(t);
    const { status, body } = await ask(nodeClient(t, port), { ':path': '/x' });
    assert.deepEqual([status, body.toString()], [200, 'a few words\n']);
  });

  test('large bodies in both directions, with trailers', async (t) => {
    const { port } = await echoServer(t);
    const sent = Buffer.alloc(5_000_000, 'abcdefg');
    const answer = await ask(nodeClient(t, port), { ':method': 'POST' }, sent, { checksum: '7' });
    assert.ok(answer.body.equals(sent));
    assert.equal(answer.trailers?.checksum, '7');
  });

  test('hundreds of requests at once', async (t) => {
    const { port, counts } = await echoServer(t);
    const session = nodeClient(t, port);
    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, i) => ask(session, { ':path': `/${1000 * i}` })),
    );
    assert.deepEqual(
      answers.map(({ body }) => body.length),
      answers.map((_, i) => 1000 * i),
    );
    assert.deepEqual([...counts], []);
  });

  test('an interim response before the other', async (t) => {
    const { port } = await echoServer(t);
    const stream = nodeClient(t, port).request({ ':method': 'POST', ':path': '/interim' });
    const interim = once(stream, 'headers');
    stream.end('body');
    assert.equal((await interim)[0][':status'], 103);
    assert.equal(Buffer.concat(await stream.toArray()).toString(), 'body');
  });

  test('before the body is there, and wants no more of it', async (t) => {
    const { port, connections } = await echoServer(t);
    const stream = nodeClient(t, port).request({ ':method': 'POST', ':path': '/early' });
    stream.write('some');
    assert.equal(Buffer.concat(await stream.toArray()).toString(), 'a few words\n');
    assert.equal(stream.rstCode, http2.constants.NGHTTP2_NO_ERROR);
    await eventually(() => assert.equal(connections[0]?.streamsActive, 0));
  });

  test('a reader that stops: the rest waits at the source, and others are served', async (t) => {
    const { port, connections } = await echoServer(t, { streamBufferBytes: 100_000 });
    const session = nodeClient(t, port);
    const slow = session.request({ ':path': '/50000000' });
    await once(slow, 'response');
    slow.pause();
    const { body } = await ask(session, { ':path': '/3000000' });
    assert.equal(body.length, 3_000_000);
    assert.equal(connections[0]?.streamsActive, 1);
    let bytes = 0;
    slow.on('data', (piece: Buffer) => {
      bytes += piece.length;
    });
    slow.resume();
    await once(slow, 'end');
    assert.equal(bytes, 50_000_000);
  });
});

describe('our client is understood by the server of Node', () => {
  async function nodeServer(
    t: TestContext,
    onStream: (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => void,
  ): Promise<number> {
    const server = http2.createServer();
    const sessions: http2.ServerHttp2Session[] = [];
    server.on('session', (session) => sessions.push(session));
    server.on('stream', onStream);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      for (const session of sessions) session.destroy();
      server.close();
    });
    return (server.address() as AddressInfo).port;
  }

  test('a body there and back, with trailers', async (t) => {
    const port = await nodeServer(t, (stream, headers) => {
      stream.respond({ ':status': 200, 'x-got': headers['x-sent'] }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
      stream.pipe(stream);
    });
    const { connection } = h2Client(t, port);
    const { recorder, ended } = ending();
    const stream = connection.open(recorder);
    const sent = Buffer.alloc(3_000_000, '0123456789');
    stream.sendRequest('POST', 'http', 'mesh', '/', '', ['x-sent', 'yes'], false);
    stream.sendData(sent, true);
    await ended;
    assert.ok(Buffer.concat(recorder.body).equals(sent));
    assert.equal(recorder.log[0], 'head 200');
    assert.ok(recorder.headers[0]!.join(' ').includes('x-got yes'));
    assert.deepEqual(recorder.headers[1], ['grpc-status', '0']);
  });

  test('resets in both directions', async (t) => {
    const seen: number[] = [];
    const port = await nodeServer(t, (stream, headers) => {
      stream.on('error', () => {});
      stream.on('close', () => seen.push(stream.rstCode ?? -1));
      if (headers[':path'] === '/refuse') stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
      else stream.respond({ ':status': 200 });
    });
    const { connection } = h2Client(t, port);
    const refused = ending();
    connection.open(refused.recorder).sendRequest('GET', 'http', 'mesh', '/refuse', '', [], true);
    await refused.ended;
    assert.deepEqual(refused.recorder.log, ['reset 7 refused http2.remote_refuse']);
    const head = Promise.withResolvers<void>();
    const given = ending(() => head.resolve());
    const stream = connection.open(given.recorder);
    stream.sendRequest('GET', 'http', 'mesh', '/', '', [], true);
    await head.promise;
    stream.reset();
    await eventually(() => assert.deepEqual(seen, [7, 8]));
    assert.equal(connection.streamsActive, 0);
  });

  test('that goes away: what is open is answered, then the connection ends', async (t) => {
    const port = await nodeServer(t, (stream) => {
      stream.session?.close();
      stream.respond({ ':status': 204 }, { endStream: true });
    });
    const { connection, events, closed } = h2Client(t, port);
    const { recorder, ended } = ending();
    connection.open(recorder).sendRequest('GET', 'http', 'mesh', '/', '', [], true);
    await ended;
    assert.deepEqual(recorder.log, ['head 204 end']);
    await closed;
    assert.equal(connection.canOpen, false);
    assert.ok(events.log.includes('closed'));
  });
});

test('a peer that is gone at any byte leaves nothing behind', async (t) => {
  const { port, connections } = await echoServer(t);
  const whole = Buffer.concat([
    preface,
    settings(4, 1000),
    post(1),
    data(1, 'hello'),
    get(3, '/100000'),
    data(1, 'x', 1),
  ]);
  for (let at = 0; at <= whole.length; at++) {
    const socket = connect(port, '127.0.0.1');
    await once(socket, 'connect');
    socket.write(whole.subarray(0, at));
    if (at % 2 === 0) socket.resetAndDestroy();
    else socket.destroySoon();
  }
  await eventually(() => {
    assert.equal(connections.length, whole.length + 1);
    assert.ok(connections.every(({ closed, streamsActive }) => closed && streamsActive === 0));
  });
});
