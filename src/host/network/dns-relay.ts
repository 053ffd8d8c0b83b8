/**
 * The resolvers of the machine, as the network of a mesh sees them: questions that come by datagram or over TCP go on
 * through a doorway, in the way they came. Resolvers are asked one after the other: a datagram's question until one
 * answers, over TCP where it does not by datagram; a connection goes to the first that takes one.
 */
import { createSocket, type RemoteInfo, type Socket as UdpSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { StreamMessages, streamMessage } from '#core/stream-messages.ts';
import { datagramsThroughDoorway, join, throughDoorway } from './doorway.ts';
import { serverCloser } from './server-closer.ts';

/** What a datagram may hold that nobody has to take apart (DNS Flag Day 2020). */
const MAX_UDP_BYTES = 1232;
const HEADER_BYTES = 12;
/** Bits of the third byte of a header: QR and TC. */
const REPLY = 0x80;
const TRUNCATED = 0x02;
/** The code of a server that could not (RFC 1035, section 4.1.1). */
const SERVFAIL = 2;
/** Less than the 5 s after which a sidecar asks anew. */
const PATIENCE_MS = 4500;
/** Questions under way at one time; more are dropped, as a network does. */
const MAX_QUESTIONS = 1000;

interface Resolver {
  /** An IP address. */
  readonly address: string;
  readonly port: number;
}

export interface DnsRelaySettings {
  /** Where it listens. */
  readonly host: string;
  /** For datagrams and for connections; 0: for each one of the system's choice. */
  readonly port: number;
  /** Of the doorway to the machine. */
  readonly doorway: string;
  /** Of the machine; looked up anew for each question. */
  resolvers(): readonly Resolver[];
  /** How long who asks waits, which resolvers share: to take a connection, and then to answer; absent: 4.5 s. */
  readonly patienceMs?: number;
}

export class DnsRelay {
  readonly #settings: DnsRelaySettings;
  readonly #udp: UdpSocket = createSocket('udp4');
  readonly #tcp: Server;
  readonly #closeTcp: () => Promise<void>;
  #questions = 0;

  private constructor(settings: DnsRelaySettings) {
    this.#settings = settings;
    this.#udp.on('message', (question, from) => void this.#relay(question, from));
    this.#udp.on('error', () => {});
    this.#tcp = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (near) => {
      this.#firstOf((resolver, timeoutMs) => this.#reach(resolver, timeoutMs)).then(
        (far) => join(near, far),
        () => near.destroy(),
      );
    });
    this.#closeTcp = serverCloser(this.#tcp);
  }

  /** @throws the system's error */
  static async open(settings: DnsRelaySettings): Promise<DnsRelay> {
    const relay = new DnsRelay(settings);
    const { host, port } = settings;
    relay.#udp.bind(port, host);
    relay.#tcp.listen({ host, port });
    await Promise.all([once(relay.#udp, 'listening'), once(relay.#tcp, 'listening')]);
    return relay;
  }

  /** As bound. */
  get ports(): { readonly udp: number; readonly tcp: number } {
    return { udp: this.#udp.address().port, tcp: (this.#tcp.address() as AddressInfo).port };
  }

  async close(): Promise<void> {
    this.#udp.close();
    await this.#closeTcp();
  }

  async #relay(question: Buffer, { address, port }: RemoteInfo): Promise<void> {
    if (this.#questions >= MAX_QUESTIONS || question.length < HEADER_BYTES) return;
    if ((question[2]! & REPLY) !== 0) return;
    this.#questions++;
    try {
      const answer = await this.#firstOf((resolver, timeoutMs) => this.#ask(resolver, question, timeoutMs));
      this.#udp.send(answer.length > MAX_UDP_BYTES ? truncated(answer) : answer, port, address);
    } catch {
      // Silence would be taken for a lost datagram, and applications would wait for one attempt after the other.
      this.#udp.send(failed(question), port, address);
    } finally {
      this.#questions--;
    }
  }

  /** What is had of the first resolver that does not fail. */
  async #firstOf<T>(get: (resolver: Resolver, timeoutMs: number) => Promise<T>): Promise<T> {
    const resolvers = this.#settings.resolvers();
    const timeoutMs = (this.#settings.patienceMs ?? PATIENCE_MS) / resolvers.length;
    let failed: unknown = new Error('this machine has no resolver');
    for (const resolver of resolvers) {
      try {
        return await get(resolver, timeoutMs);
      } catch (error) {
        failed = error;
      }
    }
    throw failed;
  }

  #reach({ address, port }: Resolver, timeoutMs: number): Promise<Socket> {
    return throughDoorway(this.#settings.doorway, address, port, timeoutMs);
  }

  /** By datagram, as every resolver is asked; over TCP where the answer does not fit, or none comes. */
  async #ask(resolver: Resolver, question: Buffer, timeoutMs: number): Promise<Buffer> {
    const { address, port } = resolver;
    const eachMs = timeoutMs / 2;
    const way = datagramsThroughDoorway(this.#settings.doorway, address, port, eachMs);
    const short = await exchange(way, question, eachMs).catch(() => undefined);
    if (short !== undefined && (short[2]! & TRUNCATED) === 0) return short;
    try {
      return await exchange(this.#reach(resolver, eachMs), question, eachMs);
    } catch (error) {
      if (short !== undefined) return short;
      throw error;
    }
  }
}

/** One message there and one back, each with its length before it. */
async function exchange(way: Promise<Socket>, question: Buffer, timeoutMs: number): Promise<Buffer> {
  const far = await way;
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const messages = new StreamMessages();
  far.setTimeout(timeoutMs, () => reject(new Error('late')));
  far.on('data', (bytes: Buffer) => {
    messages.push(bytes);
    for (let answer = messages.next(); answer !== undefined; answer = messages.next()) {
      if (isAnswerTo(question, answer)) resolve(answer);
    }
  });
  far.once('error', reject);
  for (const end of ['end', 'close']) far.once(end, () => reject(new Error('closed')));
  far.write(streamMessage(question));
  try {
    return await promise;
  } finally {
    far.destroy();
  }
}

function isAnswerTo(question: Buffer, answer: Buffer): boolean {
  return (
    answer.length >= HEADER_BYTES &&
    answer.readUInt16BE(0) === question.readUInt16BE(0) &&
    (answer[2]! & REPLY) !== 0
  );
}

/** The header and the question alone, and that there is more to be had over TCP (RFC 1035, section 4.1.1). */
function truncated(answer: Buffer): Buffer {
  const head = headOf(answer);
  head[2]! |= TRUNCATED;
  return head;
}

/** That no resolver answered. */
function failed(question: Buffer): Buffer {
  const head = headOf(question);
  head[2]! |= REPLY;
  head[3] = SERVFAIL;
  return head;
}

/** A copy of the header and the question, with no records. */
function headOf(message: Buffer): Buffer {
  let at = HEADER_BYTES;
  while (at < message.length && message[at] !== 0) at += message[at]! + 1;
  const head = Buffer.from(message.subarray(0, Math.min(at + 5, message.length)));
  head.fill(0, 6, HEADER_BYTES);
  return head;
}
