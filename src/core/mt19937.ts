/**
 * The Mersenne Twister MT19937: a sequence of 32-bit words that is the same everywhere for one seed.
 * Not for secrets.
 *
 * Source: M. Matsumoto and T. Nishimura, ACM TOMACS 8(1), 1998; `std::mt19937` of C++.
 */

const SIZE = 624;
const SHIFT = 397;

export class Mt19937 {
  readonly #state = new Uint32Array(SIZE);
  #at = 0;

  /** @param seed the lowest 32 bits count. */
  constructor(seed: number) {
    const state = this.#state;
    state[0] = seed;
    for (let i = 1; i < SIZE; i++) {
      const last = state[i - 1]!;
      state[i] = Math.imul(1812433253, last ^ (last >>> 30)) + i;
    }
  }

  /** 0 to 2^32 - 1. */
  next(): number {
    const state = this.#state;
    const at = this.#at;
    const after = at + 1 === SIZE ? 0 : at + 1;
    this.#at = after;
    // Each word is twisted when its turn comes: the words it is made of still stand then.
    const mixed = (state[at]! & 0x80000000) | (state[after]! & 0x7fffffff);
    let word = state[(at + SHIFT) % SIZE]! ^ (mixed >>> 1) ^ ((mixed & 1) === 0 ? 0 : 0x9908b0df);
    state[at] = word;
    word ^= word >>> 11;
    word ^= (word << 7) & 0x9d2c5680;
    word ^= (word << 15) & 0xefc60000;
    word ^= word >>> 18;
    return word >>> 0;
  }
}
