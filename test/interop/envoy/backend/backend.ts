/** Upstreams of the comparison, of one interface whatever they speak. */
import type { AddressInfo, Server, Socket } from 'node:net';
import type { Answers } from './exchange.ts';

/** Something a backend got: one request, or one connection without HTTP. */
export interface Seen {
  /** Value of `x-test`, '' without. */
  readonly id: string;
  lines(): readonly string[];
}

export interface Backend {
  readonly port: number;
  /** Since the last `clear`. */
  readonly seen: readonly Seen[];
  /** How requests are answered from now on; undefined: as the kind does by itself. */
  answers: Answers | undefined;
  clear(): void;
  /** Lets an answer go on that waits for its cue. */
  cue(): void;
  /** Bytes that answers have pumped since the last `clear`. */
  readonly pumped: number;
  /** Resets the connection that carries the request with this id. */
  reset(id: string): void;
  /** Ends the connections there are: a graceful end where the protocol has one. */
  closeConnections(): void;
  close(): Promise<void>;
}

/** Starts one; `name` is part of what it reports and answers. */
export type BackendKind = (name: string, certificates: () => Promise<unknown>) => Promise<Backend>;

/** Listens on a free port of `host`. */
export async function listenOn(server: Server, host: string): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  return (server.address() as AddressInfo).port;
}

export function closeServer(server: Server, sockets: Iterable<Socket>): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    for (const socket of sockets) socket.destroy();
  });
}

/** What answers of one backend wait for, and how much they pumped. */
export class Cues {
  pumped = 0;
  #given = 0;
  #waiting: (() => void)[] = [];

  give(): void {
    const next = this.#waiting.shift();
    if (next === undefined) this.#given++;
    else next();
  }

  /** Resolves with the next cue, or one that was given before. */
  wait(): Promise<void> {
    if (this.#given > 0) {
      this.#given--;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  clear(): void {
    this.pumped = 0;
    this.#given = 0;
    this.#waiting = [];
  }
}
