/** Time-outs that are shortened under pressure (Envoy, `envoy.overload_actions.reduce_timeouts`). */
import { TimerScale, type TimerWheel } from '#core/timer-wheel.ts';

/** By Envoy's names, with the time-outs that they mean. */
export const scaledTimers = {
  HTTP_DOWNSTREAM_CONNECTION_IDLE: 'connectionIdle',
  HTTP_DOWNSTREAM_STREAM_IDLE: 'streamIdle',
  TRANSPORT_SOCKET_CONNECT: 'handshake',
  HTTP_DOWNSTREAM_CONNECTION_MAX: 'connectionMax',
  HTTP_DOWNSTREAM_STREAM_FLUSH: 'streamFlush',
} as const;

export type ScaledTimerKind = (typeof scaledTimers)[keyof typeof scaledTimers];

/** What is left of one kind at least: so long, or such a part of it. */
export interface TimerMinimum {
  readonly timer: ScaledTimerKind;
  readonly leastMs: number | undefined;
  /** From 0 to 1; counts where there is no length. */
  readonly leastPart: number;
}

/** Those of one thread; undefined where no action shortens them. */
export class TimerScales {
  readonly connectionIdle: TimerScale | undefined;
  readonly streamIdle: TimerScale | undefined;
  readonly handshake: TimerScale | undefined;
  readonly connectionMax: TimerScale | undefined;
  readonly streamFlush: TimerScale | undefined;
  #wheel: TimerWheel | undefined;

  constructor(minimums: readonly TimerMinimum[]) {
    const scaleOf = (kind: ScaledTimerKind): TimerScale | undefined => {
      const minimum = minimums.find(({ timer }) => timer === kind);
      if (minimum === undefined) return undefined;
      const { leastMs, leastPart } = minimum;
      return new TimerScale((fullMs) => leastMs ?? fullMs * leastPart);
    };
    this.connectionIdle = scaleOf('connectionIdle');
    this.streamIdle = scaleOf('streamIdle');
    this.handshake = scaleOf('handshake');
    this.connectionMax = scaleOf('connectionMax');
    this.streamFlush = scaleOf('streamFlush');
  }

  /** Where the timers are. */
  attach(wheel: TimerWheel): void {
    this.#wheel = wheel;
  }

  /** @param part of an action, from 0 (nothing is shortened) to 1 */
  set(kind: ScaledTimerKind, part: number): void {
    const scale = this[kind];
    if (scale === undefined || scale.factor === 1 - part) return;
    scale.factor = 1 - part;
    this.#wheel?.rescale(scale);
  }
}

export const noScales: TimerScales = new TimerScales([]);
