/** How requests of the last seconds ended, by seconds (Envoy, `ThreadLocalControllerImpl`). */

interface Sample {
  readonly startMs: number;
  requests: number;
  successes: number;
}

/** For how long requests are counted together. */
const GRANULARITY_MS = 1000;

export class RequestHistory {
  readonly #windowMs: number;
  readonly #nowMs: () => number;
  readonly #samples: Sample[] = [];
  requests = 0;
  successes = 0;

  constructor(windowMs: number, nowMs: () => number) {
    this.#windowMs = windowMs;
    this.#nowMs = nowMs;
  }

  record(success: boolean): void {
    this.forget();
    const newest = this.#samples.at(-1)!;
    newest.requests++;
    this.requests++;
    if (!success) return;
    newest.successes++;
    this.successes++;
  }

  /** Over the window, or as much of it as there is; whole ones. */
  get requestsPerSecond(): number {
    const oldest = this.#samples[0];
    if (oldest === undefined || this.requests === 0) return 0;
    const seconds = Math.floor((this.#nowMs() - oldest.startMs) / 1000);
    return Math.floor(this.requests / Math.max(1, seconds));
  }

  /** What is older than the window counts no more. */
  forget(): void {
    const samples = this.#samples;
    const nowMs = this.#nowMs();
    while (samples.length > 0 && nowMs - samples[0]!.startMs >= this.#windowMs) {
      const { requests, successes } = samples.shift()!;
      this.requests -= requests;
      this.successes -= successes;
    }
    const newest = samples.at(-1);
    if (newest === undefined || nowMs - newest.startMs >= GRANULARITY_MS)
      samples.push({ startMs: nowMs, requests: 0, successes: 0 });
  }
}
