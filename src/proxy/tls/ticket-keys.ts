/**
 * Keys that session tickets are sealed with (RFC 5077 §4). They are made from a secret and from what a
 * context asks of its peers: a ticket of a context that trusted somebody else cannot be opened.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { Clock } from '#core/clock.ts';

/** As `tls.Server` takes them: name, key of the seal, key of the cipher, 16 bytes each. */
const KEY_BYTES = 48;
const NAME_BYTES = 16;
/** Keys nobody configured are used that long, and then forgotten: who takes one reads no older traffic. */
const EPOCH_MS = 24 * 60 * 60 * 1000;

let ofProcess: Uint8Array | undefined;

/** Of this process, for all contexts whose keys nobody configured. */
export function processTicketSecret(): Uint8Array {
  ofProcess ??= randomBytes(32);
  return ofProcess;
}

/** Tickets of another process are good here, if none was made yet. */
export function adoptTicketSecret(secret: Uint8Array): void {
  ofProcess ??= secret;
}

export class TicketKeys {
  readonly #configured: readonly Buffer[];
  readonly #secret: Uint8Array;
  readonly #context: string;
  readonly #clock: Clock;
  #epoch = -1;
  #current: Buffer;

  /**
   * @param configured the first makes tickets, all of them open some; empty: keys of the process
   * @param secret for keys of the process
   * @param context equal for contexts that may open each other's tickets
   */
  constructor(configured: readonly Uint8Array[], secret: Uint8Array, context: string, clock: Clock) {
    this.#configured = configured.map((key) => derive(key, context));
    this.#secret = secret;
    this.#context = context;
    this.#clock = clock;
    this.#current = this.#configured[0] ?? this.#ofEpoch();
  }

  /** Another object when it has changed. */
  get current(): Buffer {
    if (this.#configured.length === 0) this.#current = this.#ofEpoch();
    return this.#current;
  }

  /** Whether tickets may be sealed with other keys than the current one. */
  get hasOlder(): boolean {
    return this.#configured.length > 1;
  }

  /** The older key that a ticket with this name is sealed with. */
  olderKey(ticketName: Uint8Array): Buffer | undefined {
    return this.#configured.find(
      (key, i) => i > 0 && Buffer.compare(key.subarray(0, NAME_BYTES), ticketName) === 0,
    );
  }

  #ofEpoch(): Buffer {
    const epoch = Math.floor(this.#clock.wallMs() / EPOCH_MS);
    if (epoch === this.#epoch) return this.#current;
    this.#epoch = epoch;
    return derive(this.#secret, `${this.#context}\0${epoch}`);
  }
}

function derive(secret: Uint8Array, context: string): Buffer {
  return createHmac('sha512', secret).update(`session tickets\0${context}`).digest().subarray(0, KEY_BYTES);
}
