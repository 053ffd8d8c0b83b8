/** Looks at the first bytes of a connection and puts them back, as if nothing had been read. */
import type { Duplex } from 'node:stream';
import { Timer, type TimerWheel } from '#core/timer-wheel.ts';
import { MAX_HELLO_BYTES, readClientHello, sniffHttp } from './client-hello.ts';

export interface Inspected {
  readonly serverName: string;
  readonly transportProtocol: 'tls' | 'raw_buffer';
  readonly applicationProtocols: readonly string[];
}

export const uninspected: Inspected = {
  serverName: '',
  transportProtocol: 'raw_buffer',
  applicationProtocols: [],
};

/**
 * Calls `done` once: with what was found, or undefined where the connection ended or stayed silent
 * for `timeoutMs` (0: waits).
 */
export function inspect(
  socket: Duplex,
  timeoutMs: number,
  wheel: TimerWheel,
  done: (inspected: Inspected | undefined) => void,
): void {
  let settled = false;
  const timer = new Timer({ onTimer: () => settle(undefined) }, 0);
  if (timeoutMs > 0) wheel.arm(timer, timeoutMs);

  function settle(inspected: Inspected | undefined): void {
    if (settled) return;
    settled = true;
    wheel.disarm(timer);
    socket.off('readable', onReadable);
    socket.off('end', onGone);
    socket.off('close', onGone);
    done(inspected);
  }

  function onReadable(): void {
    const bytes: Buffer | null = socket.read();
    if (bytes === null) return;
    socket.unshift(bytes);
    const hello = readClientHello(bytes);
    if (hello === 'more' && bytes.length < MAX_HELLO_BYTES) {
      // Asks for more than is there, so that `readable` comes again with the next bytes.
      socket.read(0);
      return;
    }
    if (hello === 'more' || hello === 'none') {
      settle({ serverName: '', transportProtocol: 'raw_buffer', applicationProtocols: sniffHttp(bytes) });
      return;
    }
    settle({ ...hello, transportProtocol: 'tls' });
  }

  function onGone(): void {
    settle(undefined);
  }

  socket.on('readable', onReadable);
  socket.on('end', onGone);
  socket.on('close', onGone);
}
