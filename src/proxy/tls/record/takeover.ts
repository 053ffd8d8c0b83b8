/**
 * Takes a connection of TLS 1.3 over from OpenSSL when its handshake is done. The secrets come by way of
 * the key log. What OpenSSL wrote after the handshake, its tickets, is opened again with the key they were
 * sealed with: only then is it certain which number the next record has, and no number is used twice.
 */
import type { TLSSocket } from 'node:tls';
import type { HandshakeWire } from './handshake-wire.ts';
import { SecureSocket } from './secure-socket.ts';
import { knowsSuite, RECORD_HEAD_BYTES, TrafficKeys } from './traffic-keys.ts';

const CLIENT = 'CLIENT_TRAFFIC_SECRET_0 ';
const SERVER = 'SERVER_TRAFFIC_SECRET_0 ';
const HANDSHAKE = 22;
const SPACE = 0x20;
const NINE = 0x39;
/** Turns of the event loop in which OpenSSL writes nothing before it is held to have nothing to write. */
const QUIET_TURNS = 2;

export class Takeover {
  readonly #wire: HandshakeWire;
  #client: Buffer | undefined;
  #server: Buffer | undefined;

  constructor(wire: HandshakeWire) {
    this.#wire = wire;
  }

  /** @param line of the key log (NSS key log format) of that connection */
  note(line: Buffer, socket: TLSSocket): void {
    this.#wire.reader = socket;
    if (startsWith(line, CLIENT)) this.#client = secretOf(line);
    else if (startsWith(line, SERVER)) this.#server = secretOf(line);
  }

  /** The secrets are not kept longer than they are needed. */
  #forget(): void {
    this.#client?.fill(0);
    this.#server?.fill(0);
    this.#client = undefined;
    this.#server = undefined;
  }

  /** Whether this handshake is one that can be taken over. Asked in the call that says it is done. */
  begin(socket: TLSSocket): boolean {
    const isKnown = socket.getProtocol() === 'TLSv1.3' && knowsSuite(socket.getCipher()?.name ?? '');
    if (!isKnown || this.#client === undefined || this.#server === undefined) {
      this.#forget();
      return false;
    }
    this.#wire.handshakeDone();
    return true;
  }

  /** Calls `done` with the connection, or with nothing where it is gone or not to be trusted. */
  finish(socket: TLSSocket, done: (secured: SecureSocket | undefined) => void): void {
    let writes = -1;
    let quiet = 0;
    const look = (): void => {
      const { writesAfterwards } = this.#wire;
      quiet = writesAfterwards === writes ? quiet + 1 : 0;
      writes = writesAfterwards;
      if (quiet < QUIET_TURNS) setImmediate(look);
      else done(this.#take(socket));
    };
    setImmediate(look);
  }

  #take(socket: TLSSocket): SecureSocket | undefined {
    try {
      return this.#secure(socket);
    } finally {
      this.#forget();
    }
  }

  #secure(socket: TLSSocket): SecureSocket | undefined {
    const { raw } = this.#wire;
    const suite = socket.getCipher()?.name ?? '';
    const { servername, alpnProtocol } = socket;
    const { received, written } = this.#wire.release();
    socket.on('error', ignore);
    socket.destroy();
    if (raw.destroyed) return undefined;
    const sending = new TrafficKeys(suite, this.#server!);
    if (!opensAll(written, sending)) {
      raw.destroy();
      return undefined;
    }
    const receiving = new TrafficKeys(suite, this.#client!);
    const facts = { servername: servername || false, alpnProtocol: alpnProtocol || false } as const;
    return new SecureSocket(raw, receiving, sending, facts, received);
  }
}

/** Whether these are whole records, the first ones of their keys, and messages of the handshake. */
function opensAll(records: Buffer, keys: TrafficKeys): boolean {
  try {
    for (let at = 0; at < records.length; ) {
      const end = at + RECORD_HEAD_BYTES + records.readUInt16BE(at + 3);
      if (end > records.length || keys.open(records.subarray(at, end)).at(-1) !== HANDSHAKE) return false;
      at = end;
    }
    return true;
  } catch {
    return false;
  }
}

function startsWith(line: Buffer, label: string): boolean {
  return line.length > label.length && line.toString('latin1', 0, label.length) === label;
}

/** The last word of a line, never a string: those cannot be zeroed. In memory of its own. */
function secretOf(line: Buffer): Buffer {
  let end = line.length;
  while (end > 0 && line[end - 1]! <= SPACE) end--;
  const start = line.lastIndexOf(SPACE, end - 1) + 1;
  const secret = Buffer.allocUnsafeSlow((end - start) >> 1);
  for (let i = 0; i < secret.length; i++) {
    secret[i] = (digit(line[start + 2 * i]!) << 4) | digit(line[start + 2 * i + 1]!);
  }
  return secret;
}

/** @param code of a hexadecimal digit, of either case */
function digit(code: number): number {
  return (code & 0xf) + (code > NINE ? 9 : 0);
}

function ignore(): void {}
