/** An upstream as a process of its own, which does as it is told: run by `upstreams.ts` with a channel to it. */
import http from 'node:http';
import http2 from 'node:http2';
import net, { type AddressInfo, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import type { UpstreamFault } from './scenario.ts';

/** What the process is told. Absent: it is well. */
export interface Order {
  readonly fault?: UpstreamFault;
}

const smallBody = 'x'.repeat(64);
const largeBody = 'x'.repeat(1 << 20);
/** Frames of no type or length that HTTP/2 knows, or no status line of HTTP/1. */
const garbage = { http1: 'HTTQ/9.9 what ever\r\n\x00\x01\r\n\r\n', http2: Buffer.alloc(64, 0xff) };

const [host = '127.0.0.1', port = '0', protocol = 'http1'] = process.argv.slice(2);

/** Undefined: it is well. */
let fault: UpstreamFault | undefined;
let answered = 0;
const open = new Set<Socket>();
const silent = new WeakSet<Socket>();
const socketOf = new WeakMap<object, Socket>();

function serve(path: string, socket: Socket | undefined, reply: http.ServerResponse): void {
  answered += 1;
  if (socket === undefined || silent.has(socket)) return;
  switch (fault?.mode) {
    case 'reset':
      socket.resetAndDestroy();
      return;
    case 'black-hole':
      return;
    case 'garbage':
      socket.write(protocol === 'http2' ? garbage.http2 : garbage.http1);
      return;
    case 'truncate':
      begin(reply, () => socket.end());
      return;
    case 'stall':
      begin(reply);
      return;
    case 'slow':
      setTimeout(() => answer(path, reply), fault.ms);
      return;
    case 'errors':
      if (answered % (fault.every ?? 1) === 0) reply.writeHead(fault.status ?? 503).end();
      else answer(path, reply);
      return;
    case 'unhealthy':
      if (path === '/health') reply.writeHead(503).end();
      else answer(path, reply);
      return;
    default:
      answer(path, reply);
  }
}

/** Half of an answer. */
function begin(reply: http.ServerResponse, written?: () => void): void {
  reply.writeHead(200, { 'content-length': smallBody.length });
  reply.write(smallBody.slice(0, smallBody.length / 2), written);
}

function answer(path: string, reply: http.ServerResponse): void {
  const body = path === '/large' ? largeBody : smallBody;
  reply.writeHead(200, { 'content-length': body.length });
  reply.end(body);
}

const http1Server = http.createServer({ keepAliveTimeout: 0, requestTimeout: 0 }, (request, reply) =>
  serve(request.url ?? '', socketOf.get(request.socket), reply),
);
const http2Server = http2.createServer((request, reply) =>
  serve(
    request.url,
    socketOf.get(request.stream.session ?? request),
    reply as unknown as http.ServerResponse,
  ),
);
let arriving: Socket | undefined;
http2Server.on('session', (session) => {
  if (arriving !== undefined) socketOf.set(session, arriving);
  session.on('error', () => {});
});
http2Server.on('sessionError', () => {});
http1Server.on('clientError', (_, stream) => stream.destroy());

const listening = net.createServer((socket) => {
  open.add(socket);
  socket.on('close', () => open.delete(socket));
  socket.on('error', () => {});
  arriving = socket;
  const stream = gated(socket);
  socketOf.set(stream, socket);
  (protocol === 'http2' ? http2Server : http1Server).emit('connection', stream);
});

/** What passes between a socket and a server, for as long as the socket is not silent. */
function gated(socket: Socket): Duplex {
  const stream = new Duplex({
    read: () => void socket.resume(),
    write: (chunk, _, done) => {
      if (!silent.has(socket)) socket.write(chunk, () => done());
    },
    final: (done) => {
      if (!silent.has(socket)) socket.end();
      done();
    },
    destroy: (_, done) => {
      if (!silent.has(socket)) socket.destroy();
      done(null);
    },
  });
  stream.on('error', () => {});
  socket.on('data', (chunk) => {
    if (!silent.has(socket) && !stream.push(chunk)) socket.pause();
  });
  socket.on('end', () => {
    if (!silent.has(socket)) stream.push(null);
  });
  socket.on('close', () => stream.destroy());
  return stream;
}

function listen(at: number): void {
  listening.listen({ port: at, host, backlog: 64 });
}

function obey({ fault: next }: Order): void {
  const before = fault;
  fault = next;
  if (next?.mode === 'refuse' || next?.mode === 'reset') for (const socket of open) socket.resetAndDestroy();
  if (next?.mode === 'refuse') listening.close();
  if (next?.mode === 'half-open' || next?.mode === 'black-hole')
    for (const socket of open) silent.add(socket);
  if (before?.mode === 'refuse') listen(boundPort);
}

let boundPort = 0;
listening.on('listening', () => {
  if (boundPort !== 0) return;
  boundPort = (listening.address() as AddressInfo).port;
  process.send?.(boundPort);
});
listening.on('error', (error) => {
  throw error;
});
process.on('message', (order: Order) => {
  obey(order);
  process.send?.('done');
});
process.on('disconnect', () => process.exit());
listen(Number(port));
