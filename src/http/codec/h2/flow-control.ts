/**
 * Windows for what is received (RFC 9113 §5.2, §6.9): of the configured size, or tuned to a few times the
 * product of bandwidth and delay. That is what comes from when a PING is sent until it is answered: where
 * it fills much of the window, and comes faster than ever, the window is doubled; much as gRPC does it.
 */
import { DEFAULT_WINDOW_BYTES } from './frame.ts';

/** No window is tuned beyond this. */
export const MAX_TUNED_WINDOW_BYTES: number = 16 * 1024 * 1024;
/** A sample that fills this part of the window says that the window is what holds the sender up: it begins within one. */
const FILLED = 0.45;
/** A sample begins when this part of a window was received, not with each small answer. */
const GAPS_A_WINDOW = 3;
/** Where windows are right, one sees so again after so much at most. */
const MAX_GAP_BYTES = 4 * 1024 * 1024;
/** How fast the mean of the delay follows. */
const DELAY_WEIGHT = 0.1;
/** The best rate that was seen counts a little less with each sample: it may have been a fluke. */
const FORGETTING = 0.9;

export class ReceiveFlow {
  /** What the peer may have sent on the connection, or on each stream, without a WINDOW_UPDATE. */
  connectionWindow: number;
  streamWindow: number;
  readonly #tunesConnection: boolean;
  readonly #tunesStreams: boolean;
  /** Flow-controlled bytes of the connection that were received and not given back. */
  #uncredited = 0;
  /** Bytes received since the last sample, and how many there have to be for another. */
  #unsampled = 0;
  #gap: number;
  /** Bytes received since the PING was sent; -1: none is under way. */
  #sample = -1;
  #sampleStartMs = 0;
  #delayMs = -1;
  #bestRate = 0;

  /** @param streamBytes @param connectionBytes sizes, 0 for tuned */
  constructor(streamBytes: number, connectionBytes: number) {
    this.#tunesStreams = streamBytes === 0;
    this.#tunesConnection = connectionBytes === 0;
    this.streamWindow = this.#tunesStreams ? DEFAULT_WINDOW_BYTES : streamBytes;
    this.connectionWindow = this.#tunesConnection ? DEFAULT_WINDOW_BYTES : connectionBytes;
    this.#gap = this.#tuned / GAPS_A_WINDOW;
  }

  /** The size that is being tuned. */
  get #tuned(): number {
    return this.#tunesConnection ? this.connectionWindow : this.streamWindow;
  }

  /** A DATA frame of the connection came. It never is too much for the connection: what comes is given back at once. */
  receive(bytes: number): void {
    this.#uncredited += bytes;
    if (this.#sample >= 0) this.#sample += bytes;
    else this.#unsampled += bytes;
  }

  /** What a WINDOW_UPDATE of the connection should give back now; 0: it can wait. */
  takeCredit(): number {
    const credit = this.#uncredited;
    if (credit * 2 < this.connectionWindow) return 0;
    this.#uncredited = 0;
    return credit;
  }

  /** Whether a PING should be sent to measure; it is under way then. */
  beginSample(nowMs: number): boolean {
    if (this.#sample >= 0 || this.#unsampled < this.#gap || !this.#canGrow) return false;
    this.#sample = 0;
    this.#unsampled = 0;
    this.#sampleStartMs = nowMs;
    return true;
  }

  get #canGrow(): boolean {
    return (
      (this.#tunesConnection && this.connectionWindow < MAX_TUNED_WINDOW_BYTES) ||
      (this.#tunesStreams && this.streamWindow < MAX_TUNED_WINDOW_BYTES)
    );
  }

  /** The PING was answered. @returns the size windows that are tuned should have now; 0: they are right */
  endSample(nowMs: number): number {
    const sample = this.#sample;
    if (sample < 0) return 0;
    this.#sample = -1;
    this.#gap = Math.min(this.#gap * 2, MAX_GAP_BYTES);
    const elapsedMs = Math.max(nowMs - this.#sampleStartMs, 0.01);
    this.#delayMs =
      this.#delayMs < 0 ? elapsedMs : this.#delayMs + (elapsedMs - this.#delayMs) * DELAY_WEIGHT;
    const rate = sample / (this.#delayMs * 1.5);
    if (rate < this.#bestRate) {
      this.#bestRate *= FORGETTING;
      return 0;
    }
    this.#bestRate = rate;
    if (sample < this.#tuned * FILLED) return 0;
    const size = Math.min(this.#tuned * 2, MAX_TUNED_WINDOW_BYTES);
    this.#gap = size / GAPS_A_WINDOW;
    return size;
  }

  /** Takes a larger size for the connection. @returns what a WINDOW_UPDATE has to add; 0 where it is not tuned */
  growConnection(bytes: number): number {
    if (!this.#tunesConnection || bytes <= this.connectionWindow) return 0;
    const added = bytes - this.connectionWindow;
    this.connectionWindow = bytes;
    return added;
  }

  /** Takes a larger size for streams. @returns whether SETTINGS have to say so */
  growStreams(bytes: number): boolean {
    if (!this.#tunesStreams || bytes <= this.streamWindow) return false;
    this.streamWindow = bytes;
    return true;
  }
}
