/**
 * A small server on our HTTP/2 codec, for clients that are not ours: it sends back what it gets, or a
 * few words where there is nothing; `/early` answers before the body is there, and `/N` sends N bytes.
 * `node test/support/h2-echo-server.ts PORT` runs it alone.
 */
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import type { H2ConnectionEvents } from '#http/codec/h2/connection-events.ts';
import { type H2Counter, h2CounterNames } from '#http/codec/h2/counter.ts';
import type { H2Fault } from '#http/codec/h2/fault.ts';
import type { HeaderBlock } from '#http/codec/h2/header-block.ts';
import { defaultH2Options, type H2Options } from '#http/codec/h2/options.ts';
import { H2ServerConnection } from '#http/codec/h2/server-connection.ts';
import type { H2Stream, H2StreamHandler } from '#http/codec/h2/stream.ts';
import { runOnSocket, socketSurroundings } from './h2-socket.ts';

const words: Buffer = Buffer.from('a few words\n');
const PIECE: Buffer = Buffer.alloc(64 * 1024, 'x');

class Echo implements H2StreamHandler {
  readonly #stream: H2Stream;
  readonly #lateMs: number;
  /** Bytes of a made-up body that are not sent yet. */
  #left = 0;

  constructor(stream: H2Stream, lateMs: number) {
    this.#stream = stream;
    this.#lateMs = lateMs;
  }

  onHead(block: HeaderBlock, endStream: boolean): void {
    const size = /^\/(\d+)$/.exec(block.path);
    const headers = ['content-type', 'text/plain', 'x-path', block.path.slice(0, 64)];
    if (block.method === 'HEAD') this.#stream.sendResponse(200, headers, true);
    else if (size !== null) {
      this.#left = Number(size[1]);
      this.#stream.sendResponse(200, [...headers, 'content-length', size[1]!], this.#left === 0);
      this.onDrain();
    } else if (endStream || block.path === '/early') {
      if (this.#lateMs > 0) setTimeout(() => this.#answer(headers), this.#lateMs);
      else this.#answer(headers);
    } else {
      if (block.path === '/interim') this.#stream.sendInterim(103, ['link', '</style.css>']);
      this.#stream.sendResponse(200, headers, false);
    }
  }

  #answer(headers: string[]): void {
    this.#stream.sendResponse(200, headers, false);
    this.#stream.sendData(words, true);
    this.#stream.finish();
  }

  onData(data: Buffer, endStream: boolean): void {
    this.#stream.sendData(data, endStream);
    if (this.#stream.full) this.#stream.pause();
  }

  onTrailers(block: HeaderBlock): void {
    this.#stream.sendTrailers(block.headers);
  }

  onReset(): void {}

  onDrain(): void {
    this.#stream.resume();
    while (this.#left > 0 && !this.#stream.full) {
      const bytes = Math.min(this.#left, PIECE.length);
      this.#left -= bytes;
      this.#stream.sendData(PIECE.subarray(0, bytes), this.#left === 0);
    }
  }
}

export interface EchoServer {
  readonly port: number;
  /** By the names of the codec's counters. */
  readonly counts: ReadonlyMap<string, number>;
  readonly faults: readonly H2Fault[];
  readonly connections: readonly H2ServerConnection[];
  close(): void;
}

/** @param lateMs how long a request without a body waits for its answer */
export async function startEchoServer(
  port = 0,
  options: Partial<H2Options> = {},
  lateMs = 0,
): Promise<EchoServer> {
  const counts = new Map<string, number>();
  const faults: H2Fault[] = [];
  const connections: H2ServerConnection[] = [];
  const sockets = new Set<Socket>();
  const events: H2ConnectionEvents = {
    onStream(stream) {
      stream.handler = new Echo(stream, lateMs);
    },
    onStreamClosed() {},
    onPeerSettings() {},
    onGoAway() {},
    onFault(fault) {
      faults.push(fault);
    },
    onClosed() {},
    onHandlerError(error) {
      throw error;
    },
    onCount(counter: H2Counter) {
      const name = h2CounterNames[counter]!;
      counts.set(name, (counts.get(name) ?? 0) + 1);
    },
  };
  const all = { ...defaultH2Options, ...options };
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    connections.push(
      runOnSocket(socket, (output) => new H2ServerConnection(output, events, all, socketSurroundings)),
    );
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    counts,
    faults,
    connections,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** The same, until the test ends. */
export async function echoServer(
  t: Pick<TestContext, 'after'>,
  options: Partial<H2Options> = {},
  lateMs = 0,
): Promise<EchoServer> {
  const server = await startEchoServer(0, options, lateMs);
  t.after(() => server.close());
  return server;
}

if (import.meta.main) {
  const { port } = await startEchoServer(Number(process.argv[2] ?? 0));
  console.log(`listening on ${port}`);
}
