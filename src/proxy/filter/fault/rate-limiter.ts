/** A response that goes out at so many bytes a second. */
import type { Clock } from '#core/clock.ts';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { Exchange } from '../contract.ts';

/** Between two pieces (Envoy). */
const INTERVAL_MS = 50;

export class RateLimiter implements TimerOwner {
  readonly #exchange: Exchange;
  readonly #slot: number;
  readonly #clock: Clock;
  readonly #bytesPerMs: number;
  readonly #timer: Timer = new Timer(this, 0);
  #kept: Buffer[] = [];
  #keptBytes = 0;
  #tokens: number;
  #filledMs: number;
  #endWaits = false;
  #paused = false;

  constructor(exchange: Exchange, slot: number, clock: Clock, kbps: number) {
    this.#exchange = exchange;
    this.#slot = slot;
    this.#clock = clock;
    this.#bytesPerMs = (kbps * 1024) / 1000;
    this.#tokens = this.#bytesPerMs * INTERVAL_MS;
    this.#filledMs = clock.nowMs();
  }

  write(data: Buffer): void {
    // Who reads uses its buffer again.
    this.#kept.push(Buffer.from(data));
    this.#keptBytes += data.length;
    if (!this.#timer.armed) this.#exchange.wheel.arm(this.#timer, 0);
    if (this.#paused || this.#keptBytes <= this.#exchange.bufferLimitBytes) return;
    this.#paused = true;
    this.#exchange.pauseResponse(true);
  }

  /** @returns whether the end has to wait for what is kept. */
  end(): boolean {
    this.#endWaits = this.#keptBytes > 0;
    return this.#endWaits;
  }

  stop(): void {
    this.#exchange.wheel.disarm(this.#timer);
    this.#kept = [];
    this.#keptBytes = 0;
  }

  onTimer(): void {
    const nowMs = this.#clock.nowMs();
    const grown = this.#tokens + (nowMs - this.#filledMs) * this.#bytesPerMs;
    this.#tokens = Math.min(grown, this.#bytesPerMs * 1000);
    this.#filledMs = nowMs;
    const bytes = Math.min(this.#keptBytes, Math.floor(this.#tokens));
    if (bytes > 0) {
      const all = Buffer.concat(this.#kept, this.#keptBytes);
      this.#tokens -= bytes;
      this.#keptBytes -= bytes;
      this.#kept = this.#keptBytes === 0 ? [] : [all.subarray(bytes)];
      this.#exchange.injectResponseData(this.#slot, all.subarray(0, bytes));
    }
    if (this.#keptBytes > 0) {
      this.#exchange.wheel.arm(this.#timer, INTERVAL_MS);
    } else if (this.#endWaits) {
      this.#endWaits = false;
      this.#exchange.resumeResponse();
    }
    if (!this.#paused || this.#keptBytes > this.#exchange.bufferLimitBytes / 2) return;
    this.#paused = false;
    this.#exchange.pauseResponse(false);
  }
}
