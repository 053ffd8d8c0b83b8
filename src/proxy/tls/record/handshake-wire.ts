/**
 * The wire a handshake runs over where its connection is taken over afterwards: bytes go to OpenSSL one
 * record at a time and stop when the handshake is done, so that not a byte of what follows is read by it,
 * and what it writes is kept in sight.
 */
import { Duplex } from 'node:stream';
import { RECORD_HEAD_BYTES } from './traffic-keys.ts';

const nothing: Buffer = Buffer.alloc(0);

interface WiredSocket extends Duplex {
  wire: HandshakeWire;
}

export class HandshakeWire extends Duplex {
  readonly raw: Duplex;
  /** What came and was not handed on. */
  #received: Buffer = nothing;
  /** What was written since the handshake was done; undefined before. */
  #afterwards: Buffer[] | undefined;
  #released = false;

  constructor(raw: Duplex) {
    super({ allowHalfOpen: true });
    this.raw = raw;
    (raw as WiredSocket).wire = this;
    // Read before there is a listener: it would be told of these bytes as well.
    const first: Buffer | null = raw.read();
    raw.on('data', onRawData);
    raw.on('end', onRawEnd);
    raw.on('close', onRawClose);
    if (first !== null) this.receive(first);
  }

  /** To be called in the very call that says so: from here on nothing is handed to OpenSSL. */
  handshakeDone(): void {
    this.#afterwards = [];
  }

  /** How many pieces OpenSSL has written since the handshake was done. */
  get writesAfterwards(): number {
    return this.#afterwards?.length ?? 0;
  }

  /**
   * Ends it; the raw connection stays, and is nobody's.
   *
   * @returns what was received after the handshake, and what was written
   */
  release(): { readonly received: Buffer; readonly written: Buffer } {
    this.#released = true;
    const { raw } = this;
    raw.off('data', onRawData);
    raw.off('end', onRawEnd);
    raw.off('close', onRawClose);
    // Whoever listens would be told of what is read.
    this.removeAllListeners('data');
    const unread: Buffer | null = this.read();
    const received = unread === null ? this.#received : Buffer.concat([unread, this.#received]);
    const found = { received, written: Buffer.concat(this.#afterwards ?? []) };
    this.#received = nothing;
    this.#afterwards = undefined;
    return found;
  }

  /** Called for the raw connection. */
  receive(bytes: Buffer): void {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (this.#afterwards === undefined && this.#received.length >= RECORD_HEAD_BYTES) {
      const end = RECORD_HEAD_BYTES + this.#received.readUInt16BE(3);
      if (this.#received.length < end) return;
      const record = this.#received.subarray(0, end);
      this.#received = this.#received.subarray(end);
      this.push(record);
    }
  }

  override _read(): void {}

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (!this.#released) {
      this.#afterwards?.push(bytes);
      this.raw.write(bytes);
    }
    done();
  }

  override _final(done: (error?: Error | null) => void): void {
    if (!this.#released) this.raw.end();
    done();
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    if (!this.#released) this.raw.destroy();
    done(error);
  }
}

function onRawData(this: Duplex, bytes: Buffer): void {
  (this as WiredSocket).wire.receive(bytes);
}

function onRawEnd(this: Duplex): void {
  (this as WiredSocket).wire.push(null);
}

function onRawClose(this: Duplex): void {
  (this as WiredSocket).wire.destroy();
}
