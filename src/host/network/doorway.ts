/**
 * A way between a namespace and the machine: a Unix socket, which is a file and so is on both sides. Who connects
 * writes `ADDRESS PORT` and a line feed, hears `ok` or the system's code, and has a TCP connection made by the one
 * who listens, from where that one is. With `ADDRESS PORT udp` it is datagrams, each behind two bytes with its length.
 */
import { randomUUID } from 'node:crypto';
import { chmodSync, rmSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { leadDatagrams } from './datagram-way.ts';
import { serverCloser } from './server-closer.ts';

/** Longer than any address and port. */
const MAX_LINE_BYTES = 128;
const CONNECT_TIMEOUT_MS = 10_000;
const LF = 10;

/** What a connection is made with: a socket of another network, as a descriptor; none: one of this process's. Throws the system's error. */
export type ConnectWith = () => { readonly fd?: number };

export class Doorway {
  readonly path: string;
  readonly #connectWith: ConnectWith;
  /** What goes through ends with it. */
  readonly close: () => Promise<void>;
  readonly #server: Server;

  private constructor(path: string, connectWith: ConnectWith) {
    this.path = path;
    this.#connectWith = connectWith;
    this.#server = createServer({ allowHalfOpen: true }, (socket) => this.#accept(socket));
    this.close = serverCloser(this.#server);
  }

  /** Who may open the file may go through. @throws the system's error */
  static async open(path: string, connectWith: ConnectWith = () => ({})): Promise<Doorway> {
    const doorway = new Doorway(path, connectWith);
    // What an earlier process left behind.
    rmSync(path, { force: true });
    await listenOnPath(doorway.#server, path);
    return doorway;
  }

  #accept(near: Socket): void {
    void readLine(near).then((line) => {
      const match = /^(\S+) (\d+)( udp)?$/.exec(line ?? '');
      if (match === null) near.destroy();
      else if (match[3] === undefined) this.#lead(near, match[1]!, Number(match[2]));
      else leadDatagrams(near, match[1]!, Number(match[2]));
    });
  }

  #lead(near: Socket, host: string, port: number): void {
    let source: ReturnType<ConnectWith>;
    try {
      source = this.#connectWith();
    } catch (error) {
      near.end(`${(error as NodeJS.ErrnoException).code}\n`);
      return;
    }
    const far = connect({ host, port, allowHalfOpen: true, noDelay: true, ...source });
    const late = (): void => void far.destroy(Object.assign(new Error('late'), { code: 'ETIMEDOUT' }));
    far.setTimeout(CONNECT_TIMEOUT_MS, late);
    const gone = (): void => void far.destroy();
    near.once('close', gone);
    const failed = ({ code = 'ECONNREFUSED' }: NodeJS.ErrnoException): void => void near.end(`${code}\n`);
    far.once('error', failed);
    far.once('connect', () => {
      far.setTimeout(0);
      far.off('error', failed);
      near.off('close', gone);
      near.write('ok\n');
      join(near, far);
    });
  }
}

/** A connection from the other side of a doorway. Rejects with the system's code of that side, and after the time. */
export function throughDoorway(
  path: string,
  host: string,
  port: number,
  timeoutMs: number = CONNECT_TIMEOUT_MS,
): Promise<Socket> {
  return ask(path, `${host} ${port}`, timeoutMs);
}

/** Datagrams to and from an address beyond a doorway, each behind its length. Rejects as `throughDoorway`. */
export function datagramsThroughDoorway(
  path: string,
  address: string,
  port: number,
  timeoutMs: number,
): Promise<Socket> {
  return ask(path, `${address} ${port} udp`, timeoutMs);
}

async function ask(path: string, what: string, timeoutMs: number): Promise<Socket> {
  const socket = connect({ path, allowHalfOpen: true });
  socket.setTimeout(timeoutMs, () => socket.destroy());
  socket.write(`${what}\n`);
  const line = await readLine(socket);
  socket.setTimeout(0);
  if (line === 'ok') return socket;
  socket.destroy();
  const code = line ?? 'ECONNRESET';
  throw Object.assign(new Error(`connect ${code} ${what}`), { code });
}

/** A Unix socket of this machine that leads to one address beyond a doorway, for who can only be told a path. */
export class Relay {
  readonly path: string;
  readonly #server: Server;

  private constructor(path: string, server: Server) {
    this.path = path;
    this.#server = server;
  }

  static async open(doorway: string, host: string, port: number): Promise<Relay> {
    const path = `${doorway}.${randomUUID().slice(0, 8)}`;
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
      near.on('error', () => near.destroy());
      throughDoorway(doorway, host, port).then(
        (far) => join(near, far),
        () => near.destroy(),
      );
    });
    await listenOnPath(server, path);
    return new Relay(path, server);
  }

  close(): void {
    this.#server.close();
  }
}

/** Both ways until both have ended; what fails on one side is reset on the other. */
export function join(one: Socket, other: Socket): void {
  // One may be gone since the other was asked for.
  if (one.destroyed || other.destroyed) {
    one.destroy();
    other.destroy();
    return;
  }
  one.pipe(other);
  other.pipe(one);
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    from.on('error', () => reset(to));
    from.once('close', () => {
      if (!to.writableFinished) to.destroy();
    });
  }
}

/** A Unix socket has no reset: its other end sees an early end. */
export function reset(socket: Socket): void {
  if (socket.remoteAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
}

/** The first line, without its end; undefined where there is none. What follows stays to be read. */
function readLine(socket: Socket): Promise<string | undefined> {
  return new Promise((resolve) => {
    let read = Buffer.alloc(0);
    const end = (line: string | undefined): void => {
      socket.off('readable', look);
      socket.off('end', fail);
      socket.off('close', fail);
      socket.off('error', fail);
      resolve(line);
    };
    const fail = (): void => end(undefined);
    const look = (): void => {
      for (
        let chunk = socket.read() as Buffer | null;
        chunk !== null;
        chunk = socket.read() as Buffer | null
      ) {
        read = Buffer.concat([read, chunk]);
        const at = read.indexOf(LF);
        if (at < 0 && read.length <= MAX_LINE_BYTES) continue;
        if (at >= 0) {
          end(read.toString('latin1', 0, at));
          if (at + 1 < read.length) socket.unshift(read.subarray(at + 1));
        } else fail();
        return;
      }
    };
    socket.on('readable', look);
    socket.once('end', fail);
    socket.once('close', fail);
    socket.once('error', fail);
  });
}

/** Only its owner may connect. */
function listenOnPath(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ path }, () => {
      server.off('error', reject);
      chmodSync(path, 0o600);
      resolve();
    });
  });
}
