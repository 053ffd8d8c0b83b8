/**
 * One question to one resolver: by datagram, from a port of its own and with an id that nobody can guess,
 * and again over TCP where the answer did not fit. What is no answer to just this question is passed over.
 */
import { randomInt } from 'node:crypto';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { connect, isIPv6, type Socket } from 'node:net';
import { StreamMessages, streamMessage } from '#core/stream-messages.ts';
import { CLASS_IN, code, flag, HEADER_BYTES, readMessage, type WireMessage } from './message.ts';
import { optRecord } from './query.ts';
import type { Relayable } from './reply.ts';
import type { ResolverAddress } from './resolver-list.ts';

export interface UpstreamQuestion {
  /** Its bytes, in lower case. */
  readonly question: Buffer;
  readonly name: string;
  readonly type: number;
  readonly recursionDesired: boolean;
  readonly checkingDisabled: boolean;
  readonly dnssecOk: boolean;
}

/** Makes the sockets that resolvers are asked by: where traffic is captured they need a mark that lets them through. */
export interface UpstreamSockets {
  /** Not bound. @param family of IP: 4 or 6. */
  datagram(family: 4 | 6): DatagramSocket;
  /** Connecting, or connected. */
  stream(server: ResolverAddress): Socket;
}

export const plainSockets: UpstreamSockets = {
  datagram: (family) => createSocket(`udp${family}`),
  stream: ({ address, port }) => connect({ host: address, port, noDelay: true }),
};

export interface ExchangeMeans {
  /** How long the server has altogether. */
  readonly timeoutMs: number;
  /** Ends the wait. */
  readonly stop: AbortSignal;
  readonly sockets: UpstreamSockets;
}

/** Rejects with the reason where no answer comes in time. */
export async function exchange(
  asked: UpstreamQuestion,
  server: ResolverAddress,
  means: ExchangeMeans,
): Promise<Relayable> {
  const deadlineMs = performance.now() + means.timeoutMs;
  const rest = (): ExchangeMeans => ({ ...means, timeoutMs: Math.max(1, deadlineMs - performance.now()) });
  let answer = await overUdp(asked, true, server, means).catch((error: NodeJS.ErrnoException) => {
    // No datagram comes through, as where only TCP leaves a network; a connection may.
    if (error.syscall === undefined) throw error;
    return overTcp(asked, server, rest());
  });
  // Older than EDNS (RFC 6891 §7).
  if ((answer.message.flags & flag.code) === code.formatError)
    answer = await overUdp(asked, false, server, rest());
  if ((answer.message.flags & flag.truncated) !== 0) answer = await overTcp(asked, server, rest());
  if (answer.message.question === undefined) throw new Error('the question was called malformed');
  return answer;
}

function overUdp(
  asked: UpstreamQuestion,
  withEdns: boolean,
  server: ResolverAddress,
  { timeoutMs, stop, sockets }: ExchangeMeans,
): Promise<Relayable> {
  return new Promise((resolve, reject) => {
    const id = randomInt(0x1_0000);
    const socket = sockets.datagram(isIPv6(server.address) ? 6 : 4);
    const timer = setTimeout(() => end(() => reject(new Error('no answer in time'))), timeoutMs);
    let ended = false;
    const end = (settle: () => void): void => {
      if (ended) return;
      ended = true;
      clearTimeout(timer);
      stop.removeEventListener('abort', stopped);
      socket.close();
      settle();
    };
    const stopped = (): void => end(() => reject(new Error('stopped')));
    stop.addEventListener('abort', stopped);
    const fail = (error: Error | null | undefined): void => {
      if (error) end(() => reject(error));
    };
    socket.on('error', fail);
    socket.on('message', (bytes) => {
      const message = answerTo(asked, id, bytes);
      if (message !== undefined) end(() => resolve({ bytes, message }));
    });
    // Connected: the kernel lets through what comes from there alone, and tells when nobody listens.
    socket.connect(server.port, server.address, (error?: Error) => {
      if (error !== undefined) fail(error);
      else if (!ended) socket.send(queryBytes(asked, id, withEdns), fail);
    });
  });
}

function overTcp(
  asked: UpstreamQuestion,
  server: ResolverAddress,
  { timeoutMs, stop, sockets }: ExchangeMeans,
): Promise<Relayable> {
  return new Promise((resolve, reject) => {
    const id = randomInt(0x1_0000);
    const socket = sockets.stream(server);
    const timer = setTimeout(() => fail(new Error('no answer over TCP in time')), timeoutMs);
    const end = (): void => {
      clearTimeout(timer);
      stop.removeEventListener('abort', stopped);
      socket.destroy();
    };
    const fail = (error: Error): void => {
      end();
      reject(error);
    };
    const stopped = (): void => fail(new Error('stopped'));
    stop.addEventListener('abort', stopped);
    const messages = new StreamMessages();
    socket.on('error', fail);
    socket.on('close', () => fail(new Error('the connection was closed')));
    socket.on('data', (chunk: Buffer) => {
      messages.push(chunk);
      for (let bytes = messages.next(); bytes !== undefined; bytes = messages.next()) {
        const message = answerTo(asked, id, bytes);
        if (message === undefined) continue;
        end();
        resolve({ bytes, message });
        return;
      }
    });
    socket.write(streamMessage(queryBytes(asked, id, true)));
  });
}

function queryBytes(asked: UpstreamQuestion, id: number, withEdns: boolean): Buffer {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt16BE(id, 0);
  const flags =
    (asked.recursionDesired ? flag.recursionDesired : 0) |
    (asked.checkingDisabled ? flag.checkingDisabled : 0);
  header.writeUInt16BE(flags, 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(withEdns ? 1 : 0, 10);
  return Buffer.concat([header, asked.question, ...(withEdns ? [optRecord(asked, 0)] : [])]);
}

/** Undefined: it is none, or broken. */
function answerTo(asked: UpstreamQuestion, id: number, bytes: Buffer): WireMessage | undefined {
  const message = readMessage(bytes);
  if (message === undefined || message.id !== id || (message.flags & flag.reply) === 0) return undefined;
  if ((message.flags & flag.opcode) !== 0) return undefined;
  const { question } = message;
  // Whoever cannot read a question does not repeat it.
  if (question === undefined)
    return message.questions === 0 && (message.flags & flag.code) === code.formatError ? message : undefined;
  const isAsked = question.name === asked.name && question.type === asked.type && question.class === CLASS_IN;
  return isAsked ? message : undefined;
}
