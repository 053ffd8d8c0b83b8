/**
 * Which of two management servers is asked next, as Envoy's failover decides: the second one when the first
 * could not be had twice in a row, then each in turn; and the first one for ever once it has answered.
 */

/** How often the first server may be away before the second one is asked. */
const PATIENCE = 2;

export class ServerChoice {
  readonly #count: number;
  #current = 0;
  #failures = 0;
  #primaryAnswered = false;
  #secondFailed = false;
  /** The one that answered last; what is held is its versions. */
  #answered: number | undefined;

  /** @param count 1 or 2 */
  constructor(count: number) {
    this.#count = count;
  }

  get current(): number {
    return this.#current;
  }

  /** Whether the server to be asked is another than the one that what is held came from. */
  get isOther(): boolean {
    return this.#answered !== undefined && this.#answered !== this.#current;
  }

  /** Whether none could be had so far. */
  get allAway(): boolean {
    return this.#answered === undefined && (this.#count === 1 || this.#secondFailed);
  }

  answered(): void {
    this.#answered = this.#current;
    if (this.#current !== 0) return;
    this.#primaryAnswered = true;
    this.#failures = 0;
  }

  /** The stream has ended. @returns whether another server is asked next. */
  ended(): boolean {
    if (this.#count === 1 || this.#primaryAnswered) return false;
    const before = this.#current;
    if (before === 0) this.#failures += 1;
    else this.#secondFailed = true;
    this.#current = before === 0 && this.#failures >= PATIENCE ? 1 : 0;
    return this.#current !== before;
  }
}
