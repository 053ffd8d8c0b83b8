/** Streams of HTTP/2 by the bytes of bodies they hold, and which of them go first (Envoy, `reset_high_memory_stream`). */

/** One stream. */
export interface StreamAccount {
  /** What came and was not taken, and what waits to be sent. */
  readonly heldBytes: number;
  reset(): void;
}

/** A connection and its streams. */
export interface AccountHolder {
  eachAccount(visit: (account: StreamAccount) => void): void;
}

/** Streams are told apart by powers of two, of which the last has no end. */
const CLASSES = 8;
/** Streams that are reset at once. */
const MOST_AT_ONCE = 50;

/** Those of one thread. */
export class StreamAccounts {
  readonly #leastPower: number;
  readonly #holders = new Set<AccountHolder>();

  /** @param leastPower of two: streams that hold fewer bytes are left alone */
  constructor(leastPower: number) {
    this.#leastPower = leastPower;
  }

  add(holder: AccountHolder): void {
    this.#holders.add(holder);
  }

  remove(holder: AccountHolder): void {
    this.#holders.delete(holder);
  }

  /**
   * The heaviest first, and lighter ones the higher the pressure is.
   *
   * @param pressure from 0 to 1
   * @returns how many were reset
   */
  resetHeaviest(pressure: number): number {
    const least = CLASSES - Math.min(CLASSES, Math.floor(pressure * CLASSES) + 1);
    const leastBytes = 2 ** (this.#leastPower + least);
    const found: { readonly bytes: number; readonly account: StreamAccount }[] = [];
    for (const holder of this.#holders)
      holder.eachAccount((account) => {
        const { heldBytes: bytes } = account;
        if (bytes >= leastBytes) found.push({ bytes, account });
      });
    found.sort((a, b) => b.bytes - a.bytes);
    const heaviest = found.slice(0, MOST_AT_ONCE);
    for (const { account } of heaviest) account.reset();
    return heaviest.length;
  }
}
