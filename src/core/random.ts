/** Randomness as it is passed in. Ids are drawn in batches, so that one costs no system call. */

export interface Random {
  /** Uniform in [0, 1). Not for secrets. */
  ratio(): number;
  /** Uniform integer in [0, below). */
  below(below: number): number;
  /** A version 4 UUID (RFC 9562 §5.4), lower case. */
  uuid(): string;
}

/** Fills `bytes` with randomness fit for ids that must not be guessed. */
export type FillRandom = (bytes: Uint8Array<ArrayBuffer>) => void;

const ID_BYTES = 16;
const BATCHED_IDS = 256;
const hex: readonly string[] = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

class BatchedRandom implements Random {
  readonly #ratio: () => number;
  readonly #fill: FillRandom;
  readonly #batch = new Uint8Array(ID_BYTES * BATCHED_IDS);
  #at = ID_BYTES * BATCHED_IDS;

  constructor(ratio: () => number, fill: FillRandom) {
    this.#ratio = ratio;
    this.#fill = fill;
  }

  ratio(): number {
    return this.#ratio();
  }

  below(below: number): number {
    return Math.floor(this.#ratio() * below);
  }

  uuid(): string {
    const b = this.#batch;
    let at = this.#at;
    if (at === b.length) {
      this.#fill(b);
      at = 0;
    }
    this.#at = at + ID_BYTES;
    return (
      hex[b[at]!]! +
      hex[b[at + 1]!]! +
      hex[b[at + 2]!]! +
      hex[b[at + 3]!]! +
      '-' +
      hex[b[at + 4]!]! +
      hex[b[at + 5]!]! +
      '-' +
      hex[(b[at + 6]! & 0x0f) | 0x40]! +
      hex[b[at + 7]!]! +
      '-' +
      hex[(b[at + 8]! & 0x3f) | 0x80]! +
      hex[b[at + 9]!]! +
      '-' +
      hex[b[at + 10]!]! +
      hex[b[at + 11]!]! +
      hex[b[at + 12]!]! +
      hex[b[at + 13]!]! +
      hex[b[at + 14]!]! +
      hex[b[at + 15]!]!
    );
  }
}

/** The platform's randomness. */
export function systemRandom(): Random {
  return new BatchedRandom(Math.random, (bytes) => crypto.getRandomValues(bytes));
}

/** The same sequence for the same seed (mulberry32), for tests. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  const ratio = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return new BatchedRandom(ratio, (bytes) => {
    for (let i = 0; i < bytes.length; i++) bytes[i] = Math.floor(ratio() * 256);
  });
}
