/** One gRPC call on an HTTP/2 connection of its own, so that it starts with the certificate in force. */
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { systemClock } from '#core/clock.ts';
import { systemRandom } from '#core/random.ts';
import { TimerWheel } from '#core/timer-wheel.ts';
import { BodyMemory } from '#http/codec/h2/body-memory.ts';
import { H2ClientConnection } from '#http/codec/h2/client-connection.ts';
import type { H2ConnectionEvents, H2Surroundings } from '#http/codec/h2/connection-events.ts';
import type { H2Fault } from '#http/codec/h2/fault.ts';
import { FlushQueue } from '#http/codec/h2/flush-queue.ts';
import { errorCode } from '#http/codec/h2/frame.ts';
import type { HeaderBlock } from '#http/codec/h2/header-block.ts';
import { defaultH2Options, type H2Options } from '#http/codec/h2/options.ts';
import type { H2Stream, H2StreamHandler, ResetCause } from '#http/codec/h2/stream.ts';
import { frameMessage, MessageReader } from '#http/grpc-message.ts';
import { decodeGrpcMessage, grpcStatus, grpcStatusOf } from '#http/grpc-status.ts';
import { type HeaderList, headerOf } from '#http/header-list.ts';
import type { TransportStatus } from '#xds/transport.ts';
import { type OutputOwner, SocketOutput } from '../http2/socket-output.ts';
import { type ChannelTarget, openChannel } from './grpc-channel.ts';

export interface GrpcCallEvents {
  /** The connection stands and the request is sent. */
  onOpen(): void;
  onMessage(message: Buffer): void;
  /** Comes exactly once, last. */
  onEnd(status: TransportStatus): void;
}

/** Beyond, a server that does not answer is not there. */
const CONNECT_TIMEOUT_MS = 20_000;
/** Whole configurations come in one message. */
const MAX_MESSAGE_BYTES = 1024 * 1024 * 1024;

const options: H2Options = {
  ...defaultH2Options,
  maxHeaderListBytes: 64 * 1024,
  // A server that vanished without a word is noticed in half a minute.
  keepAlive: { ...defaultH2Options.keepAlive, intervalMs: 20_000, timeoutMs: 10_000 },
};

let surroundings: H2Surroundings | undefined;

/** Made with the first call. */
function createSurroundings(): H2Surroundings {
  const clock = systemClock;
  return {
    flushes: new FlushQueue(setImmediate),
    memory: new BodyMemory(),
    wheel: new TimerWheel(clock),
    clock,
    random: systemRandom(),
  };
}

export class GrpcCall implements H2ConnectionEvents, H2StreamHandler, OutputOwner {
  readonly #path: string;
  readonly #metadata: Readonly<Record<string, string>>;
  readonly #authority: string;
  readonly #events: GrpcCallEvents;
  readonly #socket: Socket | undefined;
  readonly #reader: MessageReader = new MessageReader(MAX_MESSAGE_BYTES);
  readonly #onMessage: (message: Buffer) => void;
  #codec: H2ClientConnection | undefined;
  #stream: H2Stream | undefined;
  #connectTimer: NodeJS.Timeout | undefined;
  /** What was sent before the connection was there. */
  #early: Buffer[] = [];
  #finished = false;
  #httpStatus = 0;
  #ended = false;

  constructor(
    target: () => ChannelTarget,
    path: string,
    metadata: Readonly<Record<string, string>>,
    events: GrpcCallEvents,
  ) {
    this.#path = path;
    this.#metadata = metadata;
    this.#events = events;
    this.#onMessage = (message) => {
      if (!this.#ended) events.onMessage(message);
    };
    let authority = 'localhost';
    try {
      const { uri, tls } = target();
      authority =
        tls?.serverName ?? (uri.startsWith('unix:') ? 'localhost' : uri.replace(/^[a-z0-9]+:(\/\/\/)?/, ''));
      const { socket, ready } = openChannel({ uri, ...(tls === undefined ? {} : { tls }) });
      this.#socket = socket;
      this.#connectTimer = setTimeout(
        () => this.#end(grpcStatus.unavailable, 'connection timed out'),
        CONNECT_TIMEOUT_MS,
      );
      socket.once(ready, () => this.#onConnected(socket));
      socket.on('error', (error) => this.#end(grpcStatus.unavailable, error.message));
      socket.on('close', () => this.#end(grpcStatus.unavailable, 'the connection was closed'));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      queueMicrotask(() => this.#end(grpcStatus.unavailable, reason));
    }
    this.#authority = authority;
  }

  // --- what the caller says

  send(message: Uint8Array): void {
    if (this.#ended) return;
    const frame = frameMessage(message);
    if (this.#stream === undefined) this.#early.push(frame);
    else this.#stream.sendData(frame, false);
  }

  /** Nothing more will be sent. */
  finish(): void {
    this.#finished = true;
    this.#stream?.end();
  }

  cancel(): void {
    this.#stream?.reset(errorCode.cancel);
    this.#end(grpcStatus.cancelled, 'cancelled');
  }

  /** What came makes no sense. */
  fail(detail: string): void {
    this.#stream?.reset(errorCode.cancel);
    this.#end(grpcStatus.internal, detail);
  }

  // --- the connection

  #onConnected(socket: Socket): void {
    clearTimeout(this.#connectTimer);
    if (this.#ended) return;
    if ('alpnProtocol' in socket && (socket as TLSSocket).alpnProtocol !== 'h2') {
      this.#end(grpcStatus.unavailable, 'the server does not speak HTTP/2');
      return;
    }
    surroundings ??= createSurroundings();
    const codec = new H2ClientConnection(new SocketOutput(socket, this), this, options, surroundings);
    this.#codec = codec;
    socket.on('data', (chunk: Buffer) => codec.receive(chunk));
    socket.on('end', () => codec.onEnd());
    codec.start();
    const stream = codec.open(this);
    this.#stream = stream;
    const headers: HeaderList = [
      'content-type',
      'application/grpc',
      'te',
      'trailers',
      'user-agent',
      'heddle',
    ];
    for (const [name, value] of Object.entries(this.#metadata)) headers.push(name, value);
    const scheme = 'alpnProtocol' in socket ? 'https' : 'http';
    stream.sendRequest('POST', scheme, this.#authority, this.#path, '', headers, false);
    for (const frame of this.#early) stream.sendData(frame, false);
    this.#early = [];
    if (this.#finished) stream.end();
    this.#events.onOpen();
  }

  // --- what the codec says of the stream

  onHead(block: HeaderBlock, endStream: boolean): void {
    this.#httpStatus = block.status;
    if (block.status < 200) return;
    if (endStream) this.#onStatus(block.headers);
    else if (block.status !== 200) {
      this.#end(grpcStatusOf(block.status), `the server answered with HTTP status ${block.status}`);
    }
  }

  onData(data: Buffer, endStream: boolean): void {
    const wrong = this.#reader.read(data, this.#onMessage);
    if (wrong !== '') this.#end(grpcStatus.internal, wrong);
    else if (endStream) this.#end(grpcStatus.unknown, 'the server ended the call without a status');
  }

  onTrailers(block: HeaderBlock): void {
    this.#onStatus(block.headers);
  }

  #onStatus(headers: HeaderList): void {
    const status = headerOf(headers, 'grpc-status');
    const message = decodeGrpcMessage(headerOf(headers, 'grpc-message') ?? '');
    if (status !== undefined && /^\d{1,9}$/.test(status)) this.#end(Number(status), message);
    else if (this.#httpStatus !== 200) {
      this.#end(grpcStatusOf(this.#httpStatus), `the server answered with HTTP status ${this.#httpStatus}`);
    } else this.#end(grpcStatus.unknown, 'the server ended the call without a status');
  }

  onReset(code: number, cause: ResetCause): void {
    const [status, why] =
      cause === 'message'
        ? [grpcStatus.internal, 'the server sent an invalid message']
        : code === errorCode.cancel
          ? [grpcStatus.cancelled, 'the server cancelled the call']
          : [grpcStatus.unavailable, 'the server reset the call'];
    this.#end(status, why);
  }

  onDrain(): void {}

  // --- and of the connection

  onStream(): void {}
  onStreamClosed(): void {}
  onPeerSettings(): void {}
  onCount(): void {}

  onGoAway(): void {
    // What is under way goes on; the connection carries no second call.
  }

  onFault(fault: H2Fault): void {
    this.#end(grpcStatus.internal, fault.reason);
  }

  onClosed(): void {
    this.#end(grpcStatus.unavailable, 'the connection was closed');
  }

  /** A message that cannot be decoded. */
  onHandlerError(error: unknown): void {
    this.#end(grpcStatus.internal, error instanceof Error ? error.message : String(error));
  }

  onSent(): void {}

  onOutputDrained(): void {
    this.#codec?.onWritable();
  }

  onOutputEnd(): void {
    this.#socket?.end();
  }

  #end(code: number, detail: string): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#connectTimer);
    this.#codec?.destroy();
    const socket = this.#socket;
    if (socket !== undefined) {
      if (socket.writableLength > 0 && !socket.destroyed && !socket.connecting)
        socket.end(() => socket.destroy());
      else socket.destroy();
    }
    this.#events.onEnd({ code, detail });
  }
}
