/** A resolver that answers as it is told, on one port of 127.0.0.1. */
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { decode, encode } from 'dns-packet';
import type { Backend, BackendKind, Seen } from './backend.ts';

/** What is known of a name: its addresses of both families, or how the question fails. */
export type Told = readonly string[] | 'no such name' | 'failure' | 'silence';

const NXDOMAIN = 3;
const SERVFAIL = 2;

export class DnsBackend implements Backend {
  readonly port: number;
  readonly seen: readonly Seen[] = [];
  readonly pumped = 0;
  answers: undefined;
  readonly #names = new Map<string, { readonly told: Told; readonly ttlS: number }>();
  readonly #close: () => void;

  constructor(port: number, close: () => void) {
    this.port = port;
    this.#close = close;
  }

  tell(name: string, told: Told, ttlS = 300): void {
    this.#names.set(name, { told, ttlS });
  }

  /** Undefined: nothing is said. */
  reply(bytes: Buffer): Buffer | undefined {
    const { id, questions: [question] = [] } = decode(bytes);
    if (question === undefined) return undefined;
    const { name, type } = question;
    const { told, ttlS } = this.#names.get(name.toLowerCase()) ?? { told: 'no such name', ttlS: 0 };
    if (told === 'silence') return undefined;
    const rcode = told === 'no such name' ? NXDOMAIN : told === 'failure' ? SERVFAIL : 0;
    const known = typeof told === 'string' ? [] : told;
    const addresses = known.filter((address) => address.includes(':') === (type === 'AAAA'));
    return encode({
      type: 'response',
      id: id ?? 0,
      flags: 0x180 | rcode,
      questions: [question],
      answers: addresses.map((data) => ({ type: type === 'AAAA' ? 'AAAA' : 'A', name, ttl: ttlS, data })),
    });
  }

  clear(): void {}
  cue(): void {}
  reset(): void {}
  closeConnections(): void {}

  close(): Promise<void> {
    this.#close();
    return Promise.resolve();
  }
}

/** @param first what is known of names before they are told of */
export const dns =
  (first: Readonly<Record<string, Told>>): BackendKind =>
  async () => {
    const socket = createSocket('udp4').bind(0, '127.0.0.1');
    await once(socket, 'listening');
    const backend = new DnsBackend(socket.address().port, () => socket.close());
    for (const [name, told] of Object.entries(first)) backend.tell(name, told, 1);
    socket.on('message', (bytes, peer) => {
      const reply = backend.reply(bytes);
      if (reply !== undefined) socket.send(reply, peer.port, peer.address);
    });
    return backend;
  };
