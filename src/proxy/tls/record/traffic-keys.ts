/** One direction of a connection of TLS 1.3: its keys, and records sealed and opened with them (RFC 8446 §5.2, §7). */
import { type CipherGCMTypes, createCipheriv, createDecipheriv, createHmac } from 'node:crypto';

/** What a cipher suite stands for. */
interface Suite {
  readonly cipher: CipherGCMTypes | 'chacha20-poly1305';
  readonly hash: string;
  readonly keyBytes: number;
}

/** By the names OpenSSL has for them. */
const suites: Readonly<Record<string, Suite>> = {
  TLS_AES_128_GCM_SHA256: { cipher: 'aes-128-gcm', hash: 'sha256', keyBytes: 16 },
  TLS_AES_256_GCM_SHA384: { cipher: 'aes-256-gcm', hash: 'sha384', keyBytes: 32 },
  TLS_CHACHA20_POLY1305_SHA256: { cipher: 'chacha20-poly1305', hash: 'sha256', keyBytes: 32 },
};

/** Whether records of that suite are known here. */
export function knowsSuite(name: string): boolean {
  return suites[name] !== undefined;
}

const IV_BYTES = 12;
export const TAG_BYTES = 16;
export const RECORD_HEAD_BYTES = 5;
/** RFC 8446 §5.1, §5.2. The type of what is carried, and padding, come on top of it. */
export const MAX_CONTENT_BYTES: number = 16 * 1024;
export const MAX_SEALED_BYTES: number = MAX_CONTENT_BYTES + 256;
const tagOption = { authTagLength: TAG_BYTES } as const;
/** As every record after the handshake calls itself. */
const APPLICATION_DATA = 23;
const TLS12_MAJOR = 3;
const TWO_POW_32 = 0x1_0000_0000;
/** More than any key seals (RFC 8446 §5.3, §5.5). */
const ERASED = 2 ** 52;

/** Filled anew for each record: nothing outlives the call it is used in. */
const nonce = new Uint8Array(IV_BYTES);

export class TrafficKeys {
  readonly #suite: Suite;
  #secret: Buffer;
  #key: Buffer;
  #iv: Buffer;
  #sequence = 0;

  /** @param secret application traffic secret of the direction; it is copied. */
  constructor(suiteName: string, secret: Buffer) {
    this.#suite = suites[suiteName]!;
    this.#secret = Buffer.allocUnsafeSlow(secret.length);
    this.#secret.set(secret);
    [this.#key, this.#iv] = this.#derive();
  }

  /** Records sealed or opened with the key in use. */
  get records(): number {
    return this.#sequence;
  }

  /** The next generation of keys (RFC 8446 §7.2). */
  update(): void {
    const { hash } = this.#suite;
    const next = expandLabel(hash, this.#secret, 'traffic upd', this.#secret.length);
    this.erase();
    this.#secret = next;
    [this.#key, this.#iv] = this.#derive();
    this.#sequence = 0;
  }

  /** Nothing can be sealed or opened any more. */
  erase(): void {
    this.#secret.fill(0);
    this.#key.fill(0);
    this.#iv.fill(0);
    this.#sequence = ERASED;
  }

  #derive(): [Buffer, Buffer] {
    const { hash, keyBytes } = this.#suite;
    return [
      expandLabel(hash, this.#secret, 'key', keyBytes),
      expandLabel(hash, this.#secret, 'iv', IV_BYTES),
    ];
  }

  /** A number is used once: whoever fails after this must not go on. */
  #nextNonce(): Uint8Array {
    const sequence = this.#sequence++;
    if (sequence >= ERASED) throw new Error('The keys are gone');
    nonce.set(this.#iv);
    const low = sequence % TWO_POW_32;
    const high = Math.floor(sequence / TWO_POW_32);
    for (let i = 0; i < 4; i++) {
      nonce[11 - i]! ^= (low >>> (8 * i)) & 0xff;
      nonce[7 - i]! ^= (high >>> (8 * i)) & 0xff;
    }
    return nonce;
  }

  /**
   * A whole record in a buffer of its own.
   *
   * @param inner what it carries and, in its last byte, of what type that is
   */
  seal(inner: Uint8Array): Buffer {
    const { cipher } = this.#suite;
    const length = inner.length + TAG_BYTES;
    const record = Buffer.allocUnsafe(RECORD_HEAD_BYTES + length);
    record[0] = APPLICATION_DATA;
    record[1] = TLS12_MAJOR;
    record[2] = TLS12_MAJOR;
    record[3] = length >> 8;
    record[4] = length & 0xff;
    const sealing = createCipheriv(cipher as CipherGCMTypes, this.#key, this.#nextNonce(), tagOption);
    sealing.setAAD(record.subarray(0, RECORD_HEAD_BYTES));
    record.set(sealing.update(inner), RECORD_HEAD_BYTES);
    sealing.final();
    record.set(sealing.getAuthTag(), RECORD_HEAD_BYTES + inner.length);
    return record;
  }

  /**
   * What a record carries, with its type and padding at the end.
   *
   * @throws Error where it was not sealed with the key of this direction, as the record of its number.
   */
  open(record: Buffer): Buffer {
    const { cipher } = this.#suite;
    const tagAt = record.length - TAG_BYTES;
    const opening = createDecipheriv(cipher as CipherGCMTypes, this.#key, this.#nextNonce(), tagOption);
    opening.setAAD(record.subarray(0, RECORD_HEAD_BYTES));
    opening.setAuthTag(record.subarray(tagAt));
    const inner = opening.update(record.subarray(RECORD_HEAD_BYTES, tagAt));
    opening.final();
    return inner;
  }
}

/** HKDF-Expand-Label without context (RFC 8446 §7.1), for lengths up to that of the hash. */
function expandLabel(hash: string, secret: Buffer, label: string, bytes: number): Buffer {
  const name = `tls13 ${label}`;
  return createHmac(hash, secret)
    .update(`\0${String.fromCharCode(bytes, name.length)}${name}\0\u0001`, 'latin1')
    .digest()
    .subarray(0, bytes);
}
