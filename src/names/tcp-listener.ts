/** Questions by connection (RFC 7766): many of them, answered in the order in which answers are there. */
import { once } from 'node:events';
import { type AddressInfo, createServer, isIPv6, type Socket } from 'node:net';
import { StreamMessages, streamMessage } from '#core/stream-messages.ts';
import type { Counter } from '#observe/metrics-contract.ts';
import type { DnsListener, ListenAddress } from './dns-server.ts';
import type { Client } from './replies.ts';
import { MAX_STREAM_BYTES } from './reply.ts';
import type { Responder } from './responder.ts';

export interface ConnectionLimits {
  /** How long a connection may be silent. */
  readonly idleTimeoutMs: number;
  /** More are closed at once. */
  readonly maxConnections: number;
  readonly refused: Counter;
}

/** Questions of one connection that wait for their answers; until there are fewer no more are read. */
const MAX_PIPELINED = 32;

/** Rejects where the address cannot be bound. */
export async function listenTcp(
  { address, port, fd }: ListenAddress,
  responder: Responder,
  { idleTimeoutMs, maxConnections, refused }: ConnectionLimits,
): Promise<DnsListener> {
  const open = new Set<Socket>();
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
    serve(socket, responder, idleTimeoutMs);
  });
  server.maxConnections = maxConnections;
  server.on('drop', () => refused.inc());
  const listening = once(server, 'listening');
  server.listen(fd === undefined ? { host: address, port, ipv6Only: isIPv6(address) } : { fd });
  await listening;
  return {
    port: (server.address() as AddressInfo).port,
    async close(): Promise<void> {
      const closed = once(server, 'close');
      server.close();
      for (const socket of open) socket.destroy();
      await closed;
    },
  };
}

function serve(socket: Socket, responder: Responder, idleTimeoutMs: number): void {
  const messages = new StreamMessages();
  let waiting = 0;
  let hasEnded = false;
  let isWorking = false;
  const done = (): void => {
    waiting--;
    work();
  };
  const client: Client = {
    maxBytes: () => MAX_STREAM_BYTES,
    reply(reply): void {
      if (!socket.destroyed) socket.write(streamMessage(reply));
      done();
    },
    ignored: done,
  };
  /** Answers what has come, as long as the client takes the answers. */
  const work = (): void => {
    if (isWorking || socket.destroyed) return;
    isWorking = true;
    let bytes: Buffer | undefined;
    while (waiting < MAX_PIPELINED && !socket.writableNeedDrain) {
      bytes = messages.next();
      if (bytes === undefined) break;
      waiting++;
      responder.answer(bytes, client);
    }
    isWorking = false;
    if (waiting >= MAX_PIPELINED || socket.writableNeedDrain) socket.pause();
    else if (!hasEnded) socket.resume();
    // Whoever says that it asks no more still waits for what it asked.
    else if (waiting === 0 && bytes === undefined) socket.end();
  };
  socket.setTimeout(idleTimeoutMs, () => socket.destroy());
  socket.on('error', () => socket.destroy());
  socket.on('drain', work);
  socket.on('data', (bytes: Buffer) => {
    messages.push(bytes);
    work();
  });
  socket.on('end', () => {
    hasEnded = true;
    work();
  });
}
