/**
 * Counts what a peer can make us do for nothing, and says when it is enough. The limits are Envoy's;
 * those on the rate of PING and SETTINGS are ours.
 */
import { h2Counter } from './counter.ts';
import { flood, type H2Fault, violation } from './fault.ts';
import { errorCode } from './frame.ts';
import type { H2Options } from './options.ts';

/** Details of a connection whose requests end too early too often. */
export const PREMATURE_RESETS = 'too_many_premature_resets';

/** PING, SETTINGS and frames on closed streams that may come at once. */
const CONTROL_BURST = 5000;
/** What each stream or DATA frame, either way, allows of them. */
const CONTROL_A_FRAME = 4;
/** What each second allows of them. */
const CONTROL_A_SECOND = 20;

export class FloodGuard {
  /** Frames written since the output was last drained. */
  outboundFrames = 0;
  outboundControlFrames = 0;
  openedStreams = 0;
  inboundDataFrames = 0;
  outboundDataFrames = 0;
  readonly #options: H2Options;
  #emptyFrames = 0;
  #priorityFrames = 0;
  #windowUpdates = 0;
  #controlAllowance = CONTROL_BURST;
  #controlMs = -1;
  /** Streams and DATA frames when the allowance was last reckoned. */
  #controlWork = 0;
  #closedStreams = 0;
  #prematureResets = 0;
  #resetAllowance: number;
  #resetMs = 0;

  constructor(options: H2Options) {
    this.#options = options;
    this.#resetAllowance = options.streamResetBurst;
  }

  /** HEADERS, CONTINUATION or DATA came. @param empty without a payload, and not the end either */
  bodyOrHead(empty: boolean): H2Fault | undefined {
    if (!empty) {
      this.#emptyFrames = 0;
      return undefined;
    }
    if (++this.#emptyFrames <= this.#options.maxConsecutiveInboundFramesWithEmptyPayload) return undefined;
    return flood(
      h2Counter.inboundEmptyFramesFlood,
      'http2.inbound_empty_frames_flood',
      'Too many consecutive frames with an empty payload',
    );
  }

  priority(): H2Fault | undefined {
    const limit = this.#options.maxInboundPriorityFramesPerStream * (1 + this.openedStreams);
    if (++this.#priorityFrames <= limit) return undefined;
    return flood(
      h2Counter.inboundPriorityFramesFlood,
      'codec_error:Too_many_PRIORITY_frames',
      'Too many PRIORITY frames',
    );
  }

  windowUpdate(): H2Fault | undefined {
    const perData = this.#options.maxInboundWindowUpdateFramesPerDataFrameSent;
    const limit = 5 + 2 * (this.openedStreams + perData * this.outboundDataFrames);
    if (++this.#windowUpdates <= limit) return undefined;
    return flood(
      h2Counter.inboundWindowUpdateFramesFlood,
      'codec_error:Too_many_WINDOW_UPDATE_frames',
      'Too many WINDOW_UPDATE frames',
    );
  }

  /** A PING, SETTINGS, or a frame that has to be refused came: allowed in proportion to useful work, and to time. */
  control(nowMs: number): H2Fault | undefined {
    const work = this.openedStreams + this.inboundDataFrames + this.outboundDataFrames;
    const seconds = this.#controlMs < 0 ? 0 : (nowMs - this.#controlMs) / 1000;
    const gained = (work - this.#controlWork) * CONTROL_A_FRAME + seconds * CONTROL_A_SECOND;
    this.#controlMs = nowMs;
    this.#controlWork = work;
    this.#controlAllowance = Math.min(CONTROL_BURST, this.#controlAllowance + gained) - 1;
    if (this.#controlAllowance >= 0) return undefined;
    return flood(
      h2Counter.inboundControlFlood,
      'http2.inbound_control_frames_flood',
      'Too many control frames',
    );
  }

  /** RST_STREAM came from a client. */
  peerReset(nowMs: number): H2Fault | undefined {
    const { streamResetBurst, streamResetRate } = this.#options;
    const gained = ((nowMs - this.#resetMs) / 1000) * streamResetRate;
    this.#resetMs = nowMs;
    this.#resetAllowance = Math.min(streamResetBurst, this.#resetAllowance + gained);
    if (this.#resetAllowance < 1) return violation(errorCode.internalError, 'too many RST_STREAM');
    this.#resetAllowance--;
    return undefined;
  }

  /** After frames were written. */
  outbound(): H2Fault | undefined {
    if (this.outboundFrames > this.#options.maxOutboundFrames)
      return flood(
        h2Counter.outboundFlood,
        'http2.outbound_frames_flood',
        'Too many frames in the outbound queue.',
      );
    if (this.outboundControlFrames > this.#options.maxOutboundControlFrames)
      return flood(
        h2Counter.outboundControlFlood,
        'http2.outbound_control_frames_flood',
        'Too many control frames in the outbound queue.',
      );
    return undefined;
  }

  /** The output has passed on everything. */
  drained(): void {
    this.outboundFrames = 0;
    this.outboundControlFrames = 0;
  }

  /**
   * A request is over. @param premature reset by the client, or because of what it sent, before there was a response
   */
  requestClosed(premature: boolean): H2Fault | undefined {
    this.#closedStreams++;
    if (!premature) return undefined;
    this.#prematureResets++;
    const limit = this.#options.prematureResetStreams;
    const bad = this.#prematureResets * 2;
    // Below the limit, only where even good streams from now on could not make up for it.
    if (bad < limit || (this.#closedStreams >= limit && bad < this.#closedStreams)) return undefined;
    return flood(-1, PREMATURE_RESETS, 'Too many premature resets');
  }
}
