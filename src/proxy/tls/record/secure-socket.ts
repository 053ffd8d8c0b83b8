/**
 * A connection of TLS 1.3 whose handshake OpenSSL has done and whose records are sealed and opened here.
 * OpenSSL's state of a connection weighs five times as much as these keys, and a proxy has thousands of
 * connections that say nothing for minutes.
 */
import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import {
  MAX_CONTENT_BYTES,
  MAX_SEALED_BYTES,
  RECORD_HEAD_BYTES,
  TAG_BYTES,
  type TrafficKeys,
} from './traffic-keys.ts';

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
const CLOSE_NOTIFY: Uint8Array = Uint8Array.of(WARNING, alert.closeNotify);
const KEY_UPDATE = 24;
/** Its type, and its length. */
const KEY_UPDATE_HEAD: readonly number[] = [KEY_UPDATE, 0, 0, 1];
const KEY_UPDATE_BYTES = 5;

/** With the type, and with padding (RFC 8446 §5.4). */
const MAX_INNER_BYTES = MAX_CONTENT_BYTES + 1;
/** What a peer may send that carries nothing, in a row (BoringSSL's limits). */
const MAX_EMPTY_RECORDS = 32;
const MAX_KEY_UPDATES = 32;
const MAX_WARNINGS = 4;
/** AES-GCM may seal 2^24.5 whole records with one key (RFC 8446 §5.5). */
const MAX_RECORDS_PER_KEY = 2 ** 23;

/** Where what is written stands together with its type until it is sealed; never across calls. */
const scratch: Buffer = Buffer.allocUnsafeSlow(MAX_INNER_BYTES);

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
  /** The begin of a message that is spread over records. */
  #message: Buffer | undefined;
  #idleRecords = 0;
  #keyUpdates = 0;
  #warnings = 0;
  #endReceived = false;
  /** Whether new keys of ours were told and have not left. */
  #renewing = false;
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
    // The other side may have said its last word while the handshake ended.
    if (raw.readableEnded) this.endRaw();
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
    this.#sealed(CLOSE_NOTIFY, contentType.alert);
    this.#raw.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    const written = this.#written;
    // As Envoy closes: what was written is all there is.
    if (error === null && this.#raw.writable) this.#sealed(CLOSE_NOTIFY, contentType.alert);
    this.#raw.off('data', onRawData);
    this.#raw.destroy();
    this.#written = undefined;
    this.#held = undefined;
    this.#message = undefined;
    this.#receiving.erase();
    this.#sending.erase();
    done(error);
    written?.(error ?? new Error('The connection is closed'));
  }

  /** As many records as it takes, in one write. */
  #send(bytes: Buffer): void {
    if (bytes.length <= MAX_CONTENT_BYTES) {
      this.#sealed(bytes, contentType.data);
      return;
    }
    this.#raw.cork();
    for (let at = 0; at < bytes.length; at += MAX_CONTENT_BYTES) {
      this.#sealed(bytes.subarray(at, at + MAX_CONTENT_BYTES), contentType.data);
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
    this.#renewing = true;
    this.#raw.write(this.#sending.seal(message), () => {
      this.#renewing = false;
    });
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
      this.#take(bytes.subarray(at, end));
      at = end;
    }
    if (this.destroyed || this.#endReceived) return;
    // What is kept is copied: it would hold on to all that came with it.
    if (at < bytes.length) this.#held = Buffer.from(bytes.subarray(at));
    if (this.readableLength >= this.readableHighWaterMark) this.#raw.pause();
  }

  #take(record: Buffer): void {
    let inner: Buffer;
    try {
      inner = this.#receiving.open(record);
    } catch {
      this.#fail(alert.badRecordMac, 'a record that cannot be opened');
      return;
    }
    if (inner.length > MAX_INNER_BYTES) {
      this.#fail(alert.recordOverflow, 'a record of too much');
      return;
    }
    let typeAt = inner.length - 1;
    while (typeAt >= 0 && inner[typeAt] === 0) typeAt--;
    const type = inner[typeAt];
    const content = inner.subarray(0, Math.max(0, typeAt));
    if (type === HANDSHAKE) this.#takeHandshake(content);
    else if (this.#message !== undefined)
      this.#fail(alert.unexpectedMessage, 'a message that is interrupted');
    else if (type === DATA) this.#takeData(content);
    else if (type === ALERT) this.#takeAlert(content);
    else this.#fail(alert.unexpectedMessage, 'a record of unknown type');
  }

  #takeData(content: Buffer): void {
    if (content.length === 0) {
      if (++this.#idleRecords > MAX_EMPTY_RECORDS)
        this.#fail(alert.unexpectedMessage, 'too many empty records');
      return;
    }
    this.#idleRecords = 0;
    this.#keyUpdates = 0;
    this.bytesRead += content.length;
    this.push(content);
  }

  #takeAlert(content: Buffer): void {
    const [level, code] = content;
    if (content.length !== 2 || level === undefined || code === undefined) {
      const isEmpty = content.length === 0;
      this.#fail(isEmpty ? alert.unexpectedMessage : alert.decodeError, 'an alert of bad length');
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
    const message = this.#message === undefined ? content : Buffer.concat([this.#message, content]);
    this.#message = undefined;
    const request = message[4];
    if (content.length === 0 || !isKeyUpdate(message)) {
      this.#fail(alert.unexpectedMessage, 'a message after the handshake');
    } else if (request === undefined) {
      this.#message = Buffer.from(message);
    } else if (request > 1) {
      this.#fail(alert.illegalParameter, 'a key update of unknown kind');
    } else if (++this.#keyUpdates > MAX_KEY_UPDATES) {
      this.#fail(alert.unexpectedMessage, 'too many key updates');
    } else {
      this.#receiving.update();
      // One answer may be for several. Who reads none gets no more of them.
      if (request === 1 && !this.#renewing && this.#raw.writable) this.#renewSendingKey();
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

/** Whether this is a message of new keys, or the begin of one, with nothing behind it. */
function isKeyUpdate(message: Buffer): boolean {
  for (let i = 0; i < message.length; i++) {
    if (i === KEY_UPDATE_BYTES || (i < 4 && message[i] !== KEY_UPDATE_HEAD[i])) return false;
  }
  return true;
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
