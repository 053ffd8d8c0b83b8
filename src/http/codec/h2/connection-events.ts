/** What a connection tells its owner, and what it is lent. */
import type { Clock } from '#core/clock.ts';
import type { Random } from '#core/random.ts';
import type { TimerScale, TimerWheel } from '#core/timer-wheel.ts';
import type { BodyMemory } from './body-memory.ts';
import type { H2Counter } from './counter.ts';
import type { H2Fault } from './fault.ts';
import type { FlushQueue } from './flush-queue.ts';
import type { H2Stream } from './stream.ts';

export interface H2ConnectionEvents {
  /** Server: a request begins. Must set `stream.handler`, which is then given the head. */
  onStream(stream: H2Stream): void;
  /** The stream is over in both directions, or was reset; a place is free. */
  onStreamClosed(stream: H2Stream): void;
  /** The peer's SETTINGS came: the first, or others. */
  onPeerSettings(): void;
  /** The peer takes no new streams; those above `lastStreamId` were reset as 'refused' before this. */
  onGoAway(lastStreamId: number, code: number, debug: string): void;
  /** The connection is ended by what the peer did; `onClosed` follows. */
  onFault(fault: H2Fault): void;
  /** Nothing is read or written any more; `output.end` was called, or the socket was gone. Called once. */
  onClosed(): void;
  /** A stream's handler threw: the stream was reset with INTERNAL_ERROR. */
  onHandlerError(error: unknown, stream: H2Stream): void;
  onCount(counter: H2Counter): void;
}

/** What all connections of a thread share. */
export interface H2Surroundings {
  readonly flushes: FlushQueue;
  readonly wheel: TimerWheel;
  readonly clock: Clock;
  readonly random: Random;
  readonly memory: BodyMemory;
  /** Of the time for what is complete to be sent; absent: it is as long as it is said to be. */
  readonly flushScale?: TimerScale | undefined;
}
