/**
 * The upstream of the comparison: answers by path, byte for byte, over a plain socket, so that it
 * can do what no HTTP server would.
 */

import type { AddressInfo } from 'node:net';
import { createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';

export interface Backend {
  readonly port: number;
  /** Resets the connection of the request with header `x-test: id`. */
  reset(id: string): void;
  close(): Promise<void>;
}

interface Request {
  readonly method: string;
  readonly path: string;
  readonly head: string;
  readonly test: string;
  readonly socket: Socket;
}

/** @param name what `/name` answers. */
export async function startBackend(name: string): Promise<Backend> {
  const sockets = new Set<Socket>();
  const byTest = new Map<string, Socket>();
  const attempts = new Map<string, number>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    serve(socket, (request, body) => {
      byTest.set(request.test, socket);
      const attempt = (attempts.get(request.test) ?? 0) + 1;
      attempts.set(request.test, attempt);
      answer(request, body, { name, attempt });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    reset: (id) => void byTest.get(id)?.resetAndDestroy(),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}

/** Paths that are answered when the head is there, without waiting for the body. */
const early: ReadonlySet<string> = new Set(['/early', '/reset-before-head', '/slow']);

function serve(socket: Socket, onRequest: (request: Request, body: string) => void): void {
  let buffer = '';
  socket.setEncoding('latin1');
  socket.on('data', (text: string) => {
    buffer += text;
    for (;;) {
      const end = buffer.indexOf('\r\n\r\n');
      if (end === -1) return;
      const head = buffer.slice(0, end);
      const [method = '', path = ''] = head.split(' ');
      const test = /^x-test: (.*)$/im.exec(head)?.[1] ?? '';
      const request: Request = { method, path, head, test, socket };
      const rest = buffer.slice(end + 4);
      const body = early.has(path) ? { text: '', length: rest.length } : bodyOf(head, rest);
      if (body === undefined) return;
      buffer = rest.slice(body.length);
      onRequest(request, body.text);
    }
  });
}

/** Undefined while it is not all there. */
function bodyOf(head: string, rest: string): { text: string; length: number } | undefined {
  const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
  if (/^transfer-encoding: chunked$/im.test(head)) {
    const end = /(?:^|\r\n)0\r\n((?:[^\r\n]+\r\n)*)\r\n/.exec(rest);
    if (end === null) return undefined;
    const whole = rest.slice(0, end.index + end[0].length);
    // How the body was cut is the proxy's affair: only what was in it is compared.
    return {
      text: `${dechunked(whole)}${end[1] === '' ? '' : `[trailers ${end[1]}]`}`,
      length: whole.length,
    };
  }
  return rest.length < length ? undefined : { text: rest.slice(0, length), length };
}

function dechunked(text: string): string {
  let body = '';
  for (let at = 0; ; ) {
    const line = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, line), 16);
    if (!(size > 0)) return body;
    body += text.slice(line + 2, line + 2 + size);
    at = line + 2 + size + 2;
  }
}

function answer(request: Request, body: string, { name, attempt }: { name: string; attempt: number }): void {
  const { socket, path, head, method } = request;
  const [, kind = '', argument = ''] = (path.split('?')[0] ?? '').split('/');
  const reply = (status: string, text: string, headers: readonly string[] = []): void => {
    const lines = [`HTTP/1.1 ${status}`, `content-length: ${text.length}`, ...headers];
    socket.write(`${lines.join('\r\n')}\r\n\r\n${method === 'HEAD' ? '' : text}`, 'latin1');
  };
  switch (kind) {
    case 'echo':
      reply('200 OK', `${sortedHead(head)}\n\n${body}`, ['x-upstream: here', 'content-type: text/plain']);
      break;
    case 'name':
      reply('200 OK', `${name} ${/^x-weighted: .*$/im.exec(head)?.[0] ?? ''}`);
      break;
    case 'status':
      if (argument === '204' || argument === '304') {
        socket.write(`HTTP/1.1 ${argument} Fine\r\netag: "1"\r\n\r\n`);
        break;
      }
      reply(`${argument} Some Reason`, `status ${argument}`);
      break;
    case 'flaky':
      if (attempt < 3) reply('503 No', 'not yet');
      else reply('200 OK', `attempt ${attempt}`);
      break;
    case 'chunked':
      socket.write(
        'HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n6\r\nhello \r\n5;x=y\r\nworld\r\n0\r\n\r\n',
      );
      break;
    case 'trailers':
      socket.write('HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n');
      socket.write('3\r\nabc\r\n0\r\nx-sum: 294\r\n\r\n');
      break;
    case 'close-delimited':
      socket.end('HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\nuntil the end');
      break;
    case 'http10':
      socket.end('HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\nold');
      break;
    case 'partial':
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\npartial');
      break;
    case 'reset-before-head':
      socket.resetAndDestroy();
      break;
    case 'end-before-head':
      socket.end();
      break;
    case 'garbage':
      socket.end('this is no HTTP\r\n\r\n');
      break;
    case 'both-lengths':
      socket.write(
        'HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
      );
      break;
    case 'continue':
      socket.write('HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n');
      reply('200 OK', 'after hints');
      break;
    case 'multi':
      reply('200 OK', 'two cookies', ['set-cookie: a=1', 'Set-Cookie: b=2', 'X-MiXed: Case']);
      break;
    case 'hop':
      reply('200 OK', 'hop', [
        'connection: keep-alive, x-mine',
        'keep-alive: timeout=5',
        'x-mine: 1',
        'proxy-connection: x',
      ]);
      break;
    case 'early':
      reply('200 OK', 'early', ['connection: close']);
      break;
    case 'slow':
      break;
    default:
      reply('200 OK', `path ${path}`);
      break;
  }
}

/** Addresses of this machine: Envoy forwards one of them for a client on the loopback. */
const ownAddresses: readonly string[] = Object.values(networkInterfaces())
  .flatMap((addresses) => addresses ?? [])
  .map(({ address }) => address);

/** Order of headers says nothing; ids differ on every request. */
function sortedHead(head: string): string {
  const [line, ...headers] = head.split('\r\n');
  return [line, ...headers.map(normalised).sort()].join('\n');
}

function normalised(header: string): string {
  if (/^x-request-id:/i.test(header)) return header.replace(/: .+$/, ': ID');
  if (!/^x-forwarded-for:/i.test(header)) return header;
  const last = header.slice(Math.max(header.lastIndexOf(','), header.lastIndexOf(' ')) + 1);
  return ownAddresses.includes(last) ? `${header.slice(0, -last.length)}127.0.0.1` : header;
}
