/**
 * A small client on our HTTP/2 codec, for servers that are not ours.
 * `node test/support/h2-client.ts http://127.0.0.1:PORT/` sends one request and ends with the connection.
 */
import { connect } from 'node:net';
import type { TestContext } from 'node:test';
import { H2ClientConnection } from '#http/codec/h2/client-connection.ts';
import { defaultH2Options, type H2Options } from '#http/codec/h2/options.ts';
import { RecordedEvents, Recorder } from './h2-pair.ts';
import { runOnSocket, socketSurroundings } from './h2-socket.ts';

export interface SocketClient {
  readonly connection: H2ClientConnection;
  readonly events: RecordedEvents;
  /** Resolves when our side of the connection is over. */
  readonly finished: Promise<void>;
  /** Resolves when both sides are. */
  readonly closed: Promise<void>;
  close(): void;
}

export function connectH2(port: number, host = '127.0.0.1', options: Partial<H2Options> = {}): SocketClient {
  const events = new RecordedEvents();
  const socket = connect(port, host);
  const all = { ...defaultH2Options, ...options };
  const connection = runOnSocket(
    socket,
    (output) => new H2ClientConnection(output, events, all, socketSurroundings),
  );
  const finished = new Promise<void>((resolve) => socket.on('finish', resolve).on('close', () => resolve()));
  const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
  return { connection, events, finished, closed, close: () => socket.destroy() };
}

/** The same, until the test ends. */
export function h2Client(
  t: Pick<TestContext, 'after'>,
  port: number,
  options: Partial<H2Options> = {},
): SocketClient {
  const client = connectH2(port, '127.0.0.1', options);
  t.after(() => client.close());
  return client;
}

/** A recorder, and a promise of the end of what it records, good or bad. */
export function ending(react?: (event: string, recorder: Recorder) => void): {
  readonly recorder: Recorder;
  readonly ended: Promise<Recorder>;
} {
  const { promise, resolve } = Promise.withResolvers<Recorder>();
  const recorder = new Recorder((event, self) => {
    react?.(event, self);
    if (self.ended || event === 'reset') resolve(self);
  });
  return { recorder, ended: promise };
}
