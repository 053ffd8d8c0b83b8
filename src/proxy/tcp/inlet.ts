/**
 * The receiving half of a downstream connection. Where much comes, a plain socket is read through a second
 * descriptor into memory that is used again: the runtime offers that for sockets it opens itself, while
 * every read of an accepted one costs new memory, and the collections that follow.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { type ByteTaker, SocketReader } from '../pool/socket-reader.ts';

export interface InletHandler {
  onReceived(data: Buffer): void;
  /** Whether nothing refers to any data that was handed over any more. */
  readonly receivedIsOut: boolean;
  /** The other side sends no more. */
  onReceivedAll(): void;
  onReceivingFailed(): void;
}

/** @returns a descriptor that belongs to the caller; undefined where there is none to be had. */
export type DuplicateDescriptor = (socket: Socket) => number | undefined;

/** So much has to come before it pays to read in the other way. */
const SWIFT_AFTER_BYTES = 1024 * 1024;

let filler: Buffer = Buffer.alloc(0);

export class Inlet implements ByteTaker {
  readonly #socket: Duplex;
  readonly #handler: InletHandler;
  #duplicate: DuplicateDescriptor | undefined;
  readonly #limitBytes: number;
  #bytes = 0;
  /** What the socket held when it went on, and hands over before anything that it reads anew. */
  #heldBytes: number;
  #swift: Socket | undefined;
  #reader: SocketReader | undefined;

  /**
   * @param limitBytes what one read takes at most, where that is known (`per_connection_buffer_limit_bytes`).
   * @param duplicate absent where the system cannot be asked.
   */
  constructor(
    socket: Duplex,
    handler: InletHandler,
    limitBytes: number,
    duplicate: DuplicateDescriptor | undefined,
  ) {
    this.#socket = socket;
    this.#handler = handler;
    this.#limitBytes = limitBytes;
    this.#heldBytes = socket.readableLength;
    this.#duplicate = isPlain(socket) ? duplicate : undefined;
    socket.on('data', (data: Buffer) => this.#onData(data));
    socket.on('end', () => handler.onReceivedAll());
  }

  /** Whether the socket itself never hears that the other side has ended. */
  get isSwift(): boolean {
    return this.#swift !== undefined;
  }

  pause(): void {
    (this.#swift ?? this.#socket).pause();
  }

  resume(): void {
    if (this.#swift === undefined) {
      this.#heldBytes = this.#socket.readableLength;
      this.#socket.resume();
    } else {
      this.#reader!.settle();
      this.#swift.resume();
    }
  }

  /** For one who cannot say when data is out: reads plainly from now on. */
  stayPlain(): void {
    this.#duplicate = undefined;
  }

  /** Reads no more. */
  close(): void {
    this.#swift?.destroy();
  }

  #onData(data: Buffer): void {
    if (this.#duplicate !== undefined) {
      this.#bytes += data.length;
      if (this.#heldBytes > 0) this.#heldBytes -= data.length;
      else if (this.#bytes >= SWIFT_AFTER_BYTES) this.#change();
    }
    this.#handler.onReceived(data);
  }

  /** While the socket hands over what it has just read, and holds nothing: the second descriptor goes on there. */
  #change(): void {
    const socket = this.#socket as Socket;
    const fd = this.#duplicate!(socket);
    this.#duplicate = undefined;
    if (fd === undefined) return;
    const reader = new SocketReader(this.#limitBytes);
    const swift = new Socket({ fd, readable: true, writable: false, onread: reader.onread });
    reader.taker = this;
    this.#reader = reader;
    this.#swift = swift;
    swift.on('end', () => this.#handler.onReceivedAll());
    swift.on('error', () => this.#handler.onReceivingFailed());
    swift.on('close', () => reader.done());
    stopReading(socket);
    swift.resume();
  }

  onBytes(bytes: Buffer): boolean {
    const handler = this.#handler;
    const reader = this.#reader!;
    if (handler.receivedIsOut) reader.settle();
    handler.onReceived(bytes);
    const isOut = handler.receivedIsOut;
    if (isOut) reader.settle();
    else reader.lend();
    return isOut;
  }
}

/** A socket that holds as much as it may when it has handed over a read stops, until that is taken: never. */
function stopReading(socket: Socket): void {
  const { readableHighWaterMark } = socket;
  if (filler.length < readableHighWaterMark) filler = Buffer.alloc(readableHighWaterMark);
  socket.pause();
  socket.unshift(filler);
}

function isPlain(socket: Duplex): boolean {
  return socket instanceof Socket && !('encrypted' in socket);
}
