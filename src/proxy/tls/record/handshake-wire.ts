/**
 * The wire a handshake runs over where its connection is taken over afterwards: bytes go to OpenSSL one
 * record at a time and stop when the handshake is done, so that not a byte of what follows is read by it,
 * and what it writes is kept in sight.
 */
import { Duplex } from 'node:stream';
import { MAX_SEALED_BYTES, RECORD_HEAD_BYTES } from './traffic-keys.ts';

/** First and last of the types of records (RFC 8446 §5.1). */
const CHANGE_CIPHER_SPEC = 20;
const APPLICATION_DATA = 23;

const nothing: Buffer = Buffer.alloc(0);

interface WiredSocket extends Duplex {
  wire: HandshakeWire | undefined;
}

export class HandshakeWire extends Duplex {
  readonly raw: Duplex;
  /**
   * Who reads here, from when it has keys: one that was destroyed while it took a record must not be given
   * another. Node throws then, for it has read data and nowhere to put it.
   */
  reader: Duplex | undefined = undefined;
  /** What came and was not handed on. */
  #received: Buffer = nothing;
  /** What was written since the handshake was done; undefined before. */
  #afterwards: Buffer[] | undefined;
  #released = false;
  /** Whether this is nothing that records can be read from: OpenSSL says why. */
  #isBroken = false;

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
    // It outlives this by hours.
    (raw as WiredSocket).wire = undefined;
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
    while (this.#afterwards === undefined && this.reader?.destroyed !== true) {
      this.#isBroken ||= isNoRecord(this.#received);
      const bytes = this.#isBroken ? this.#received.length : wholeRecord(this.#received);
      if (bytes === 0) return;
      this.#handOn(bytes);
    }
  }

  #handOn(bytes: number): void {
    const record = this.#received.subarray(0, bytes);
    this.#received = this.#received.subarray(bytes);
    if (!this.push(record)) this.raw.pause();
  }

  /** Called for the raw connection. After the handshake it is for who takes it over. */
  receiveEnd(): void {
    if (this.#afterwards === undefined) this.push(null);
  }

  override _read(): void {
    if (!this.#released && this.raw.isPaused()) this.raw.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#released) {
      done();
      return;
    }
    this.#afterwards?.push(bytes);
    if (this.raw.write(bytes)) done();
    else this.raw.once('drain', done);
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

/** Whether what begins here can be no record of TLS. */
function isNoRecord(bytes: Buffer): boolean {
  const [type] = bytes;
  if (type !== undefined && (type < CHANGE_CIPHER_SPEC || type > APPLICATION_DATA)) return true;
  return bytes.length >= RECORD_HEAD_BYTES && bytes.readUInt16BE(3) > MAX_SEALED_BYTES;
}

/** Length of the record at the begin; 0 while its end has not come. */
function wholeRecord(bytes: Buffer): number {
  if (bytes.length < RECORD_HEAD_BYTES) return 0;
  const end = RECORD_HEAD_BYTES + bytes.readUInt16BE(3);
  return bytes.length < end ? 0 : end;
}

function onRawData(this: Duplex, bytes: Buffer): void {
  (this as WiredSocket).wire?.receive(bytes);
}

function onRawEnd(this: Duplex): void {
  (this as WiredSocket).wire?.receiveEnd();
}

function onRawClose(this: Duplex): void {
  (this as WiredSocket).wire?.destroy();
}
