/** Raw connections for tests that care about single bytes. */
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';

export interface RawServer {
  readonly port: number;
  /** Connections so far. */
  readonly sockets: readonly Socket[];
}

/** A server on a free port; everything ends with the test. */
export async function rawServer(
  t: Pick<TestContext, 'after'>,
  onSocket: (socket: Socket, nth: number) => void,
): Promise<RawServer> {
  const sockets: Socket[] = [];
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    sockets.push(socket);
    onSocket(socket, sockets.length);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return { port: (server.address() as AddressInfo).port, sockets };
}

/** Answers every request (without a body) with `answer(path, nth)`. */
export function httpServer(
  t: Pick<TestContext, 'after'>,
  answer: (path: string, nth: number) => string | undefined,
): Promise<RawServer> {
  let nth = 0;
  return rawServer(t, (socket) => {
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        const path = text.split(' ', 2)[1]!;
        text = text.slice(end + 4);
        const reply = answer(path, ++nth);
        if (reply === undefined) socket.destroy();
        else socket.write(reply, 'latin1');
      }
    });
    socket.on('end', () => socket.end());
  });
}

export const ok = (body: string): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`;

export interface RawClient {
  readonly socket: Socket;
  /** All that has come. */
  readonly text: () => string;
  /** Resolves when `text()` satisfies, rejects after five seconds or at the end of the connection. */
  until(enough: (text: string) => boolean): Promise<string>;
  /** Resolves with everything when the other side has closed. */
  ended(): Promise<string>;
}

export function rawClient(t: Pick<TestContext, 'after'>, port: number): RawClient {
  return clientOf(t, connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
}

const DEADLINE_MS = 5000;

export function clientOf(t: Pick<TestContext, 'after'>, socket: Socket): RawClient {
  let text = '';
  let closed = false;
  const changed = new Set<() => void>();
  const notify = (): void => {
    for (const run of changed) run();
  };
  socket.on('data', (data) => {
    text += data.toString('latin1');
    notify();
  });
  for (const event of ['end', 'error', 'close']) {
    socket.on(event, () => {
      closed = true;
      notify();
    });
  }
  t.after(() => socket.destroy());
  const wait = (done: () => boolean, failed: () => boolean): Promise<string> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`only this came: ${text}`)), DEADLINE_MS);
      const look = (): void => {
        if (!done() && !failed()) return;
        clearTimeout(timer);
        changed.delete(look);
        if (done()) resolve(text);
        else reject(new Error(`the connection ended after: ${text}`));
      };
      changed.add(look);
      look();
    });
  return {
    socket,
    text: () => text,
    until: (enough) =>
      wait(
        () => enough(text),
        () => closed,
      ),
    ended: () =>
      wait(
        () => closed,
        () => false,
      ),
  };
}
