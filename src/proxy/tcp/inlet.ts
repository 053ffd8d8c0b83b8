/**
 * The receiving half of a downstream connection. Where much comes, a plain socket is read through a second
 * descriptor into memory that is used again: the runtime offers that for sockets it opens itself, while
 * every read of an accepted one costs new memory, and the collections that follow.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { LimitedCount } from '../cluster/limited-count.ts';
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

/** What an inlet is lent. */
export interface InletRuntime {
  /** `bufferLimitBytes`: what one read takes at most. */
  readonly settings: { readonly bufferLimitBytes: number };
  /** Absent where the system cannot be asked. */
  readonly duplicateDescriptor: DuplicateDescriptor | undefined;
  /** How many there may be; absent: any number. */
  readonly secondDescriptors: LimitedCount | undefined;
}

let filler: Buffer = Buffer.alloc(0);

export class Inlet implements ByteTaker {
  readonly #socket: Duplex;
  readonly #handler: InletHandler;
  readonly #runtime: InletRuntime;
  #mayChange: boolean;
  #bytes = 0;
  /** What the socket held when it went on, and hands over before anything that it reads anew. */
  #heldBytes: number;
  #swift: Socket | undefined;
  #reader: SocketReader | undefined;

  constructor(socket: Duplex, handler: InletHandler, runtime: InletRuntime) {
    this.#socket = socket;
    this.#handler = handler;
    this.#runtime = runtime;
    this.#heldBytes = socket.readableLength;
    this.#mayChange = isPlain(socket) && runtime.duplicateDescriptor !== undefined;
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
    this.#mayChange = false;
  }

  /** Reads no more. */
  close(): void {
    this.#swift?.destroy();
  }

  #onData(data: Buffer): void {
    if (this.#mayChange) {
      this.#bytes += data.length;
      if (this.#heldBytes > 0) this.#heldBytes -= data.length;
      else if (this.#bytes >= SWIFT_AFTER_BYTES) this.#change();
    }
    this.#handler.onReceived(data);
  }

  /** While the socket hands over what it has just read, and holds nothing: the second descriptor goes on there. */
  #change(): void {
    const socket = this.#socket as Socket;
    const { duplicateDescriptor, secondDescriptors, settings } = this.#runtime;
    this.#mayChange = false;
    if (secondDescriptors?.take() === false) return;
    const fd = duplicateDescriptor!(socket);
    if (fd === undefined) {
      secondDescriptors?.release();
      return;
    }
    const reader = new SocketReader(settings.bufferLimitBytes);
    const swift = new Socket({ fd, readable: true, writable: false, onread: reader.onread });
    reader.taker = this;
    this.#reader = reader;
    this.#swift = swift;
    swift.on('end', () => this.#handler.onReceivedAll());
    swift.on('error', () => this.#handler.onReceivingFailed());
    swift.on('close', () => {
      reader.done();
      secondDescriptors?.release();
    });
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
