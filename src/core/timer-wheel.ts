/**
 * Time-outs by the hundred thousand: a hierarchical timing wheel on one timer of the platform.
 * Arming and disarming are O(1) and make no system call; a time-out fires up to one tick late.
 *
 * Source: G. Varghese and T. Lauck, "Hashed and Hierarchical Timing Wheels", SOSP 1987.
 */
import type { Clock } from './clock.ts';

/** Resolution of the wheel. */
const TICK_MS = 1;
const SLOT_BITS = 9;
const SLOTS = 1 << SLOT_BITS;
const SLOT_MASK = SLOTS - 1;
/** Three levels reach 1 ms * 512^3, about 37 hours. Longer delays go round again. */
const LEVELS = 3;
const MAX_TICKS = SLOTS ** LEVELS - 1;

/** What a timer calls. `timerKind` tells one owner's timers apart. */
export interface TimerOwner {
  onTimer(timerKind: number): void;
}

/** One time-out of an owner; reused as often as needed. */
export class Timer {
  /** Internal to the wheel, as are all fields here: a linked list without allocations. */
  next: Timer | undefined = undefined;
  previous: Timer | undefined = undefined;
  slot = -1;
  dueTick = 0;
  /** A later moment set by {@link TimerWheel.postpone}, looked at when the slot comes round. */
  dueMs = 0;
  readonly owner: TimerOwner;
  readonly kind: number;

  constructor(owner: TimerOwner, kind: number) {
    this.owner = owner;
    this.kind = kind;
  }

  get armed(): boolean {
    return this.slot !== -1;
  }

  /** Undefined where a time-out is as long as it is said to be. */
  get scale(): TimerScale | undefined {
    return undefined;
  }
}

/** How much of the time-outs of one kind is left while the process is short of something (Envoy, "Reducing timeouts"). */
export class TimerScale {
  /** From 1, all of it, to 0, no more than the least. */
  factor = 1;
  readonly #leastOf: (fullMs: number) => number;

  /** @param leastOf what is left at least of a time-out */
  constructor(leastOf: (fullMs: number) => number) {
    this.#leastOf = leastOf;
  }

  lengthOf(fullMs: number): number {
    const leastMs = Math.min(fullMs, this.#leastOf(fullMs));
    return leastMs + (fullMs - leastMs) * this.factor;
  }
}

/** A time-out of a kind whose scale may change while it is armed: {@link TimerWheel.rescale}. */
class ScaledTimer extends Timer {
  fullMs = 0;
  startMs = 0;
  readonly #scale: TimerScale;

  constructor(owner: TimerOwner, kind: number, scale: TimerScale) {
    super(owner, kind);
    this.#scale = scale;
  }

  override get scale(): TimerScale {
    return this.#scale;
  }
}

/** @param scale undefined: the time-out is as long as it is said to be. */
export function createTimer(owner: TimerOwner, kind: number, scale: TimerScale | undefined): Timer {
  return scale === undefined ? new Timer(owner, kind) : new ScaledTimer(owner, kind, scale);
}

function dueOf(timer: Timer, delayMs: number, nowMs: number): number {
  if (timer.scale === undefined) return nowMs + delayMs;
  const scaled = timer as ScaledTimer;
  scaled.startMs = nowMs;
  scaled.fullMs = delayMs;
  return nowMs + scaled.scale.lengthOf(delayMs);
}

export class TimerWheel {
  readonly #clock: Clock;
  readonly #heads: (Timer | undefined)[] = new Array(SLOTS * LEVELS).fill(undefined);
  readonly #startMs: number;
  #tick = 0;
  #count = 0;
  #wakeTick = Number.POSITIVE_INFINITY;
  #cancelWake: (() => void) | undefined;
  readonly #wake = (): void => this.#advance();

  constructor(clock: Clock) {
    this.#clock = clock;
    this.#startMs = clock.nowMs();
  }

  /** How many timers are armed. */
  get size(): number {
    return this.#count;
  }

  /** Arms, or moves, `timer` to fire after `delayMs`. */
  arm(timer: Timer, delayMs: number, nowMs: number = this.#clock.nowMs()): void {
    if (timer.slot !== -1) this.#unlink(timer);
    else this.#count++;
    timer.dueMs = dueOf(timer, delayMs, nowMs);
    if (this.#count === 1) this.#catchUp(nowMs);
    this.#place(timer);
  }

  /**
   * Moves an armed timer later without touching the wheel: for time-outs that are put off on
   * every byte. Arms it when it is not.
   */
  postpone(timer: Timer, delayMs: number, nowMs: number = this.#clock.nowMs()): void {
    if (timer.slot === -1) this.arm(timer, delayMs, nowMs);
    else timer.dueMs = dueOf(timer, delayMs, nowMs);
  }

  /** The factor of a scale has changed: what is armed by it is due at another time. O(all timers). */
  rescale(scale: TimerScale): void {
    const moved: ScaledTimer[] = [];
    for (const head of this.#heads)
      for (let timer = head; timer !== undefined; timer = timer.next)
        if (timer.scale === scale) moved.push(timer as ScaledTimer);
    for (const timer of moved) {
      timer.dueMs = timer.startMs + scale.lengthOf(timer.fullMs);
      this.#unlink(timer);
      this.#place(timer);
    }
  }

  disarm(timer: Timer): void {
    if (timer.slot === -1) return;
    this.#unlink(timer);
    timer.slot = -1;
    this.#count--;
  }

  /** With nothing armed the wheel stands still; it starts again at the present. */
  #catchUp(nowMs: number): void {
    const tick = Math.floor((nowMs - this.#startMs) / TICK_MS);
    if (tick > this.#tick) this.#tick = tick;
  }

  #place(timer: Timer): void {
    let due = Math.ceil((timer.dueMs - this.#startMs) / TICK_MS);
    if (due <= this.#tick) due = this.#tick + 1;
    timer.dueTick = due;
    const ahead = Math.min(due - this.#tick, MAX_TICKS);
    const at = this.#tick + ahead;
    let level = 0;
    let unit = 1;
    while (ahead >= unit * SLOTS && level < LEVELS - 1) {
      level++;
      unit *= SLOTS;
    }
    const slot = level * SLOTS + (Math.floor(at / unit) & SLOT_MASK);
    const head = this.#heads[slot];
    timer.slot = slot;
    timer.previous = undefined;
    timer.next = head;
    if (head !== undefined) head.previous = timer;
    this.#heads[slot] = timer;
    const wakeTick = Math.floor(at / unit) * unit;
    if (wakeTick < this.#wakeTick) this.#scheduleWake(wakeTick);
  }

  #unlink(timer: Timer): void {
    const { next, previous } = timer;
    if (previous === undefined) this.#heads[timer.slot] = next;
    else previous.next = next;
    if (next !== undefined) next.previous = previous;
    timer.next = undefined;
    timer.previous = undefined;
  }

  #scheduleWake(tick: number): void {
    this.#cancelWake?.();
    this.#wakeTick = tick;
    const delayMs = this.#startMs + tick * TICK_MS - this.#clock.nowMs();
    this.#cancelWake = this.#clock.after(Math.max(1, Math.ceil(delayMs)), this.#wake);
  }

  #advance(): void {
    this.#cancelWake = undefined;
    this.#wakeTick = Number.POSITIVE_INFINITY;
    const target = Math.floor((this.#clock.nowMs() - this.#startMs) / TICK_MS);
    let through = false;
    try {
      while (this.#tick < target && this.#count > 0) {
        const next = Math.min(this.#nextOccupied(), target);
        this.#tick = Math.max(next, this.#tick + 1);
        this.#cascade();
        this.#fire(this.#tick & SLOT_MASK);
      }
      through = true;
    } finally {
      // An owner threw: the others of its slot are next.
      if (!through) this.#tick--;
      this.#goOn();
    }
  }

  #goOn(): void {
    if (this.#count === 0) return;
    const next = this.#nextOccupied();
    if (next < this.#wakeTick) this.#scheduleWake(next);
  }

  /** The next tick at which a slot has to be looked at. */
  #nextOccupied(): number {
    const tick = this.#tick;
    for (let ahead = 1; ahead <= SLOTS - (tick & SLOT_MASK); ahead++) {
      if (this.#heads[(tick + ahead) & SLOT_MASK] !== undefined) return tick + ahead;
    }
    // Timers below the next turn of the first level may also stand behind it.
    for (let slot = 0; slot <= (tick & SLOT_MASK); slot++) {
      if (this.#heads[slot] !== undefined) return (tick | SLOT_MASK) + 1;
    }
    let nearest = Number.POSITIVE_INFINITY;
    let unit = SLOTS;
    for (let level = 1; level < LEVELS; level++) {
      const at = Math.floor(tick / unit);
      for (let ahead = 1; ahead <= SLOTS; ahead++) {
        if (this.#heads[level * SLOTS + ((at + ahead) & SLOT_MASK)] === undefined) continue;
        nearest = Math.min(nearest, (at + ahead) * unit);
        break;
      }
      unit *= SLOTS;
    }
    return nearest;
  }

  /** At the turn of a level, the slot of the one above is dealt out below. */
  #cascade(): void {
    let unit = SLOTS;
    for (let level = 1; level < LEVELS && this.#tick % unit === 0; level++) {
      const slot = level * SLOTS + (Math.floor(this.#tick / unit) & SLOT_MASK);
      let timer = this.#heads[slot];
      this.#heads[slot] = undefined;
      while (timer !== undefined) {
        const { next } = timer;
        // A timer due at this very tick must not wait a whole turn.
        if (Math.ceil((timer.dueMs - this.#startMs) / TICK_MS) <= this.#tick)
          this.#push(timer, this.#tick & SLOT_MASK);
        else this.#place(timer);
        timer = next;
      }
      unit *= SLOTS;
    }
  }

  #push(timer: Timer, slot: number): void {
    const head = this.#heads[slot];
    timer.slot = slot;
    timer.previous = undefined;
    timer.next = head;
    if (head !== undefined) head.previous = timer;
    this.#heads[slot] = timer;
  }

  #fire(slot: number): void {
    for (;;) {
      const timer = this.#heads[slot];
      if (timer === undefined) return;
      this.#unlink(timer);
      if (Math.ceil((timer.dueMs - this.#startMs) / TICK_MS) > this.#tick) {
        // Postponed, or further away than the wheel reaches: never the same slot.
        this.#place(timer);
        continue;
      }
      timer.slot = -1;
      this.#count--;
      timer.owner.onTimer(timer.kind);
    }
  }
}
