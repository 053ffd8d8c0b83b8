/** `ws` and Python's `websockets` as clients and servers, and `ws` on streams of HTTP/2 (RFC 8441). */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { TestContext } from 'node:test';
import { findPeer } from '../../support/peer.ts';
import { listening } from './upstreams.ts';

type Hooks = Pick<TestContext, 'after'>;

/** As much of `ws` as is used here; it brings no types. */
interface Socket {
  readonly protocol: string;
  send(data: string | Buffer): void;
  ping(data: string): void;
  close(code: number, reason: string): void;
  terminate(): void;
  setSocket(stream: Duplex, head: Buffer, options: object): void;
  on(event: string, listener: (...found: never[]) => void): this;
  once(event: string, listener: (...found: never[]) => void): this;
}
interface Ws {
  readonly WebSocket: {
    new (address: string | null, protocols: readonly string[] | undefined, options: object): Socket;
  };
  readonly WebSocketServer: new (
    options: object,
  ) => {
    on(event: 'connection', listener: (socket: Socket) => void): void;
  };
}
const load = (): Ws => createRequire(`${findPeer('node-clients')}/`)('ws') as Ws;

export const closeCode = 4001;
export const closeReason = 'because';
const subprotocol = 'chat';
/** What makes the server close. */
const farewell = 'please close';

function serveSocket(socket: Socket): void {
  socket.on('message', (data: Buffer, binary: boolean) => {
    if (!binary && data.toString() === farewell) socket.close(closeCode, closeReason);
    else socket.send(binary ? data : data.toString());
  });
}

export function startWsServer(t: Hooks): Promise<number> {
  const server = http.createServer();
  const { WebSocketServer } = load();
  new WebSocketServer({ server }).on('connection', serveSocket);
  return listening(t, server);
}

/** A socket on a stream on which the handshake is over; `ws` takes one for its own after an upgrade. */
function socketOn(stream: Duplex, isServer: boolean): Socket {
  const { WebSocket } = load();
  const socket = new WebSocket(null, undefined, { autoPong: true });
  Object.assign(socket, { _isServer: isServer });
  socket.setSocket(stream, Buffer.alloc(0), {});
  return socket;
}

/** RFC 6455 §4.2.2. */
const acceptOf = (key: string): string =>
  createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

/** Extended CONNECT on HTTP/2 without TLS. A key is answered where a proxy brings it from HTTP/1.1. */
export function startWsOverHttp2Server(t: Hooks): Promise<number> {
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream: http2.ServerHttp2Stream, headers: http2.IncomingHttpHeaders) => {
    stream.on('error', () => {});
    if (headers[':method'] !== 'CONNECT' || headers[':protocol'] !== 'websocket') {
      stream.respond({ ':status': 400 }, { endStream: true });
      return;
    }
    const { 'sec-websocket-key': key, 'sec-websocket-protocol': asked } = headers;
    stream.respond({
      ':status': 200,
      ...(asked === undefined ? {} : { 'sec-websocket-protocol': String(asked) }),
      ...(key === undefined ? {} : { 'sec-websocket-accept': acceptOf(String(key)) }),
    });
    serveSocket(socketOn(stream, true));
  });
  return listening(t, server);
}

export const pythonProgram: string = join(import.meta.dirname, 'program/websocket.py');

export interface WsTarget {
  /** Absent: this machine. */
  readonly host?: string;
  readonly port: number;
  /** TLS with this root. */
  readonly root?: Buffer;
}

export async function runWsCases({ host = 'localhost', port, root }: WsTarget): Promise<void> {
  const { WebSocket } = load();
  const url = `${root === undefined ? 'ws' : 'wss'}://${host}:${port}/chat`;
  const open = async (): Promise<Socket> => {
    const socket = new WebSocket(url, [subprotocol], { ca: root, perMessageDeflate: false });
    await opened(socket);
    assert.equal(socket.protocol, subprotocol);
    return socket;
  };
  await runCases(open, false);
}

/** The same on streams of one HTTP/2 connection. */
export async function runWsOverHttp2Cases({ port, root }: WsTarget): Promise<void> {
  const session =
    root === undefined
      ? http2.connect(`http://localhost:${port}`)
      : http2.connect(`https://localhost:${port}`, { ca: root });
  try {
    const [settings] = (await once(session, 'remoteSettings')) as [http2.Settings];
    assert.equal(settings.enableConnectProtocol, true);
    await runCases(async () => {
      const stream = session.request(
        {
          ':method': 'CONNECT',
          ':protocol': 'websocket',
          ':path': '/chat',
          'sec-websocket-version': '13',
          // HTTP/2 has no use for it; a server behind the proxy that speaks HTTP/1.1 has.
          'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          'sec-websocket-protocol': subprotocol,
        },
        { endStream: false },
      );
      const [headers] = (await once(stream, 'response')) as [http2.IncomingHttpHeaders];
      assert.equal(headers[':status'], 200);
      assert.equal(headers['sec-websocket-protocol'], subprotocol);
      return socketOn(stream, false);
    }, true);
  } finally {
    session.destroy();
  }
}

function opened(socket: Socket): Promise<void> {
  return new Promise((done, reject) => {
    socket.once('open', () => done());
    socket.once('error', reject);
  });
}

/** RFC 6455 §7.4.1: no close frame came. */
const abnormalClosure = 1006;

async function runCases(open: () => Promise<Socket>, multiplexed: boolean): Promise<void> {
  const socket = await open();
  const sent = ['grüß dich ☺', '', ...Array.from({ length: 500 }, (_, at) => `message ${at}`)];
  assert.deepEqual(await echoes(socket, sent), sent);
  const large = Buffer.alloc(1_000_000, 'large');
  const [back] = await echoes(socket, [large]);
  assert.ok(large.equals(back as Buffer), 'a large binary message comes back as it was');
  const pong = new Promise<string>((done) => socket.once('pong', (data: Buffer) => done(data.toString())));
  socket.ping('are you there');
  assert.equal(await pong, 'are you there');
  assert.deepEqual(await closed(socket, () => socket.send(farewell)), [closeCode, closeReason]);
  const second = await open();
  // RFC 6455 §7.1.5: the other side says the same code back. On HTTP/2 its end may overtake that: a stream whose
  // answer is over is reset, and Node gives up what it had not read.
  const [code] = await closed(second, () => second.close(4002, 'enough'));
  assert.ok(code === 4002 || (multiplexed && code === abnormalClosure), `closed with ${code}`);
}

/** As many messages as were sent, text as strings. */
function echoes(socket: Socket, messages: readonly (string | Buffer)[]): Promise<(string | Buffer)[]> {
  const found: (string | Buffer)[] = [];
  return new Promise((done, reject) => {
    const listener = (data: Buffer, binary: boolean): void => {
      found.push(binary ? data : data.toString());
      if (found.length < messages.length) return;
      (socket as unknown as NodeJS.EventEmitter).off('message', listener);
      done(found);
    };
    socket.on('message', listener);
    socket.once('close', () => reject(new Error(`closed after ${found.length} messages`)));
    for (const message of messages) socket.send(message);
  });
}

function closed(socket: Socket, ask: () => void): Promise<[number, string]> {
  return new Promise((done) => {
    socket.once('close', (code: number, reason: Buffer) => done([code, reason.toString()]));
    ask();
  });
}
