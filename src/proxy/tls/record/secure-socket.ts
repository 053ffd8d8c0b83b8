/**
 * A connection of TLS 1.3 whose handshake OpenSSL has done and whose records are sealed and opened here.
 * OpenSSL's state of a connection weighs five times as much as these keys, and a proxy has thousands of
 * connections that say nothing for minutes.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { RECORD_HEAD_BYTES, TAG_BYTES, type TrafficKeys } from './traffic-keys.ts';

/** What a handshake agreed on. */
export interface SecureFacts {
  /** False where there is none. */
  readonly alpnProtocol: string | false;
  /** False where the client named none. */
  readonly servername: string | false;
}

/** Types of what records carry (RFC 8446 §5.1). */
const ALERT = 21;
const HANDSHAKE = 22;
const DATA = 23;
const contentType = { alert: ALERT, handshake: HANDSHAKE, data: DATA } as const;

const alert = {
  closeNotify: 0,
  unexpectedMessage: 10,
  badRecordMac: 20,
  recordOverflow: 22,
  illegalParameter: 47,
  decodeError: 50,
  userCanceled: 90,
} as const;

const FATAL = 2;
const WARNING = 1;
const KEY_UPDATE = 24;
const KEY_UPDATE_BYTES = 5;

/** RFC 8446 §5.2. */
const MAX_INNER_BYTES = 16 * 1024;
const MAX_SEALED_BYTES = MAX_INNER_BYTES + 256;
/** What a peer may send that carries nothing, in a row (BoringSSL's limits). */
const MAX_EMPTY_RECORDS = 32;
const MAX_KEY_UPDATES = 32;
const MAX_WARNINGS = 4;
/** AES-GCM may seal 2^24.5 whole records with one key (RFC 8446 §5.5). */
const MAX_RECORDS_PER_KEY = 2 ** 23;

/** Where what is written stands together with its type until it is sealed; never across calls. */
const scratch: Buffer = Buffer.allocUnsafeSlow(MAX_INNER_BYTES + 1);

interface RawSocket extends Duplex {
  secured: SecureSocket;
}

export class SecureSocket extends Duplex {
  /** As of `TLSSocket`. */
  readonly encrypted = true;
  readonly alpnProtocol: string | false;
  readonly servername: string | false;
  /** What was carried, without what TLS adds. */
  bytesRead = 0;
  bytesWritten = 0;
  readonly #raw: Duplex;
  readonly #receiving: TrafficKeys;
  readonly #sending: TrafficKeys;
  /** The begin of a record whose end has not come. */
  #held: Buffer | undefined;
  #idleRecords = 0;
  #keyUpdates = 0;
  #warnings = 0;
  #endReceived = false;
  #written: ((error?: Error | null) => void) | undefined;

  /**
   * @param raw the connection, which nobody else reads any more
   * @param received what came of it after the handshake and was not looked at
   */
  constructor(
    raw: Duplex,
    receiving: TrafficKeys,
    sending: TrafficKeys,
    facts: SecureFacts,
    received: Buffer,
  ) {
    super({ allowHalfOpen: true });
    this.alpnProtocol = facts.alpnProtocol;
    this.servername = facts.servername;
    this.#raw = raw;
    this.#receiving = receiving;
    this.#sending = sending;
    (raw as RawSocket).secured = this;
    raw.on('data', onRawData);
    raw.on('end', onRawEnd);
    raw.on('error', onRawError);
    raw.on('close', onRawClose);
    if (received.length > 0) this.#receive(received);
  }

  get remoteAddress(): string | undefined {
    return (this.#raw as Socket).remoteAddress;
  }

  get remotePort(): number | undefined {
    return (this.#raw as Socket).remotePort;
  }

  get localAddress(): string | undefined {
    return (this.#raw as Socket).localAddress;
  }

  get localPort(): number | undefined {
    return (this.#raw as Socket).localPort;
  }

  override _read(): void {
    if (this.#raw.isPaused()) this.#raw.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.bytesWritten += chunk.length;
    this.#send(chunk);
    this.#whenOut(done);
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    done: (error?: Error | null) => void,
  ): void {
    const bytes = Buffer.concat(chunks.map(({ chunk }) => chunk));
    this.bytesWritten += bytes.length;
    this.#send(bytes);
    this.#whenOut(done);
  }

  override _final(done: (error?: Error | null) => void): void {
    this.#sealed(Buffer.of(WARNING, alert.closeNotify), contentType.alert);
    this.#raw.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const { raw } = { raw: this.#raw };
    raw.off('data', onRawData);
    raw.destroy();
    this.#written = undefined;
    this.#held = undefined;
    done(error);
  }

  /** As many records as it takes, in one write. */
  #send(bytes: Buffer): void {
    if (bytes.length <= MAX_INNER_BYTES) {
      this.#sealed(bytes, contentType.data);
      return;
    }
    this.#raw.cork();
    for (let at = 0; at < bytes.length; at += MAX_INNER_BYTES) {
      this.#sealed(bytes.subarray(at, at + MAX_INNER_BYTES), contentType.data);
    }
    this.#raw.uncork();
  }

  #sealed(bytes: Uint8Array, type: number): void {
    if (this.#sending.records >= MAX_RECORDS_PER_KEY) this.#renewSendingKey();
    scratch.set(bytes);
    scratch[bytes.length] = type;
    this.#raw.write(this.#sending.seal(scratch.subarray(0, bytes.length + 1)), this.#onOut);
  }

  #renewSendingKey(): void {
    const message = Buffer.of(KEY_UPDATE, 0, 0, 1, 0, contentType.handshake);
    this.#raw.write(this.#sending.seal(message));
    this.#sending.update();
  }

  /** Written is what the system has taken: who closes then loses nothing. */
  #whenOut(done: (error?: Error | null) => void): void {
    if (this.#raw.writableLength === 0) done();
    else this.#written = done;
  }

  readonly #onOut = (): void => {
    if (this.#written === undefined || this.#raw.writableLength > 0) return;
    const done = this.#written;
    this.#written = undefined;
    done();
  };

  /** Called for the raw connection. */
  receiveRaw(bytes: Buffer): void {
    this.#receive(this.#held === undefined ? bytes : Buffer.concat([this.#held, bytes]));
  }

  #receive(bytes: Buffer): void {
    this.#held = undefined;
    let at = 0;
    let wantsMore = true;
    while (at + RECORD_HEAD_BYTES <= bytes.length && !this.destroyed && !this.#endReceived) {
      const length = bytes.readUInt16BE(at + 3);
      if (bytes[at] !== contentType.data) {
        this.#fail(alert.unexpectedMessage, 'a record that is not sealed');
        return;
      }
      if (length > MAX_SEALED_BYTES || length <= TAG_BYTES) {
        this.#fail(
          length > MAX_SEALED_BYTES ? alert.recordOverflow : alert.badRecordMac,
          'a record of bad length',
        );
        return;
      }
      const end = at + RECORD_HEAD_BYTES + length;
      if (end > bytes.length) break;
      wantsMore = this.#take(bytes.subarray(at, end));
      at = end;
    }
    if (this.destroyed || this.#endReceived) return;
    // What is kept is copied: it would hold on to all that came with it.
    if (at < bytes.length) this.#held = Buffer.from(bytes.subarray(at));
    if (!wantsMore) this.#raw.pause();
  }

  /** @returns whether more is wanted. */
  #take(record: Buffer): boolean {
    let inner: Buffer;
    try {
      inner = this.#receiving.open(record);
    } catch {
      this.#fail(alert.badRecordMac, 'a record that cannot be opened');
      return false;
    }
    let typeAt = inner.length - 1;
    while (typeAt >= 0 && inner[typeAt] === 0) typeAt--;
    if (typeAt > MAX_INNER_BYTES) {
      this.#fail(alert.recordOverflow, 'a record of too much');
      return false;
    }
    const content = inner.subarray(0, Math.max(0, typeAt));
    switch (inner[typeAt]) {
      case DATA:
        return this.#takeData(content);
      case ALERT:
        this.#takeAlert(content);
        return true;
      case HANDSHAKE:
        this.#takeHandshake(content);
        return true;
      default:
        this.#fail(alert.unexpectedMessage, 'a record of unknown type');
        return false;
    }
  }

  #takeData(content: Buffer): boolean {
    if (content.length === 0) {
      if (++this.#idleRecords > MAX_EMPTY_RECORDS)
        this.#fail(alert.unexpectedMessage, 'too many empty records');
      return true;
    }
    this.#idleRecords = 0;
    this.#keyUpdates = 0;
    this.bytesRead += content.length;
    return this.push(content);
  }

  #takeAlert(content: Buffer): void {
    const [level, code] = content;
    if (content.length !== 2 || level === undefined || code === undefined) {
      this.#fail(alert.decodeError, 'an alert of bad length');
    } else if (code === alert.closeNotify) {
      this.#endReceived = true;
      this.push(null);
    } else if (code === alert.userCanceled && ++this.#warnings <= MAX_WARNINGS) {
      // Says that a close_notify follows (RFC 8446 §6.1).
    } else {
      this.destroy(Object.assign(new Error(`TLS alert ${code}`), { code: 'ERR_SSL_ALERT' }));
    }
  }

  /** Of all messages only new keys are for a server that has asked for nothing (RFC 8446 §4.6.3). */
  #takeHandshake(content: Buffer): void {
    const [type, high, middle, low, request] = content;
    const isWhole = content.length === KEY_UPDATE_BYTES && high === 0 && middle === 0 && low === 1;
    if (type !== KEY_UPDATE || !isWhole) {
      this.#fail(alert.unexpectedMessage, 'a message after the handshake');
    } else if (request === undefined || request > 1) {
      this.#fail(alert.illegalParameter, 'a key update of unknown kind');
    } else if (++this.#keyUpdates > MAX_KEY_UPDATES) {
      this.#fail(alert.unexpectedMessage, 'too many key updates');
    } else {
      this.#receiving.update();
      if (request === 1) this.#renewSendingKey();
    }
  }

  #fail(code: number, reason: string): void {
    if (this.destroyed) return;
    if (this.#raw.writable) this.#sealed(Buffer.of(FATAL, code), contentType.alert);
    this.destroy(Object.assign(new Error(`TLS: ${reason}`), { code: 'ERR_SSL_RECORD' }));
  }

  /** The raw connection ends, be it with what TLS says before or without. */
  endRaw(): void {
    if (this.#endReceived) return;
    this.#endReceived = true;
    this.push(null);
  }
}

/** Shared by all connections: functions of each would weigh more than its keys. */
function onRawData(this: Duplex, bytes: Buffer): void {
  (this as RawSocket).secured.receiveRaw(bytes);
}

function onRawEnd(this: Duplex): void {
  (this as RawSocket).secured.endRaw();
}

function onRawError(this: Duplex, error: Error): void {
  (this as RawSocket).secured.destroy(error);
}

function onRawClose(this: Duplex): void {
  (this as RawSocket).secured.destroy();
}
