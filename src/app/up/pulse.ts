/**
 * Asks again and again whether something answers: often until it does, seldom while it does. Once it did, one answer that
 * does not come is not believed: on a busy machine it may only be late.
 */

export interface PulseSettings {
  readonly check: () => Promise<boolean>;
  readonly onChange: (answers: boolean) => void;
  /** Between two checks while the answer is no, and while it is yes. */
  readonly fastMs: number;
  readonly slowMs: number;
}

/** In a row, before something that runs is said not to answer any more (the `failureThreshold` of Kubernetes). */
const MISSES = 3;

export class Pulse {
  readonly #settings: PulseSettings;
  #answers = false;
  /** Since the last answer. */
  #misses = 0;
  #timer: NodeJS.Timeout | undefined;
  #running = false;
  /** Counts what made an answer under way out of date. */
  #era = 0;

  constructor(settings: PulseSettings) {
    this.#settings = settings;
  }

  get answers(): boolean {
    return this.#answers;
  }

  start(): void {
    if (this.#running) return;
    this.#running = true;
    void this.#beat(this.#era);
  }

  /** Ends it; no change is reported any more. */
  stop(): void {
    this.#running = false;
    this.#era++;
    clearTimeout(this.#timer);
  }

  /** It is known not to answer (its process has ended): said at once, and asked often again. */
  lost(): void {
    if (!this.#running) return;
    this.#era++;
    clearTimeout(this.#timer);
    this.#change(false);
    this.#timer = setTimeout(() => void this.#beat(this.#era), this.#settings.fastMs);
  }

  async #beat(era: number): Promise<void> {
    const answers = await this.#settings.check();
    if (era !== this.#era || !this.#running) return;
    this.#misses = answers ? 0 : this.#misses + 1;
    if (answers || this.#misses >= MISSES) this.#change(answers);
    const { fastMs, slowMs } = this.#settings;
    this.#timer = setTimeout(() => void this.#beat(era), answers ? slowMs : fastMs);
  }

  #change(answers: boolean): void {
    if (answers === this.#answers) return;
    this.#answers = answers;
    this.#settings.onChange(answers);
  }
}
