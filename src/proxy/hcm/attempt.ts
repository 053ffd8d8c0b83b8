/** One try of a request at one endpoint: its place in the pool, its stream, its time limits. */
import type { ErrorCode } from '#core/error.ts';
import { lastOfKind } from '#core/last-of-kind.ts';
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { AttemptGate, HeldAttempt, LocalReply } from '../filter/contract.ts';
import type {
  ConnectionPool,
  IncomingResponse,
  PoolClient,
  PoolFailure,
  ResetReason,
  ResponseHandler,
  UpstreamStream,
} from '../pool/contract.ts';
import type { Forwarding } from './forwarding.ts';

const TRY = 0;
const TRY_IDLE = 1;
const DURATION = 2;

/** Belongs to the {@link Forwarding} that made it, and tells it what happens; nothing once it was given up. */
export class Attempt implements AttemptGate, PoolClient, ResponseHandler, TimerOwner {
  readonly endpoint: Endpoint;
  /** Monotonic. */
  readonly startMs: number;
  /** Undefined before the pool gave one, and when it is done with. */
  stream: UpstreamStream | undefined = undefined;
  /** Whether its response is the client's. */
  responding = false;
  /** Whether the whole request went out. */
  endSent = false;
  /** Whether another attempt was made while this one goes on. */
  retried = false;
  #slow = false;
  readonly #owner: Forwarding;
  #pool: ConnectionPool | undefined = undefined;
  /** By a filter, before the pool is asked; others may follow it. */
  #held: HeldAttempt | undefined = undefined;
  #hookAt = 0;
  #waiting = false;
  /** While the pool is asked: it may answer at once. */
  #asking = false;
  #counted = false;
  #headSent = false;
  #over = false;
  /** Whether the endpoint has said how it does. */
  #reported = false;
  #tryTimer: Timer | undefined = undefined;
  #tryIdleTimer: Timer | undefined = undefined;
  #durationTimer: Timer | undefined = undefined;

  constructor(owner: Forwarding, endpoint: Endpoint, startMs: number) {
    this.#owner = owner;
    this.endpoint = endpoint;
    this.startMs = startMs;
  }

  /** The limits of a try begin when all of the request is there, and a connection for it; or while it is held. */
  arm(): void {
    if (this.stream === undefined && this.#held === undefined) return;
    if (this.#tryTimer !== undefined || this.#tryIdleTimer !== undefined) return;
    const { runtime, timeouts } = this.#owner;
    if (timeouts.perTryMs > 0) {
      this.#tryTimer = new Timer(this, TRY);
      runtime.wheel.arm(this.#tryTimer, timeouts.perTryMs);
    }
    if (timeouts.perTryIdleMs > 0) {
      this.#tryIdleTimer = new Timer(this, TRY_IDLE);
      runtime.wheel.arm(this.#tryIdleTimer, timeouts.perTryIdleMs);
    }
  }

  disarm(): void {
    this.#disarmTry();
    if (this.#tryIdleTimer !== undefined) this.#owner.runtime.wheel.disarm(this.#tryIdleTimer);
    if (this.#durationTimer !== undefined) this.#owner.runtime.wheel.disarm(this.#durationTimer);
  }

  #disarmTry(): void {
    if (this.#tryTimer !== undefined) this.#owner.runtime.wheel.disarm(this.#tryTimer);
  }

  /** A sign of life. */
  #touch(): void {
    const timer = this.#tryIdleTimer;
    if (timer?.armed === true) this.#owner.runtime.wheel.postpone(timer, this.#owner.timeouts.perTryIdleMs);
  }

  start(pool: ConnectionPool): void {
    this.#pool = pool;
    if (this.#owner.exchange.hooks.attempt.length > 0 && this.#isStopped()) return;
    this.#waiting = true;
    this.#asking = true;
    pool.request(this);
    this.#asking = false;
  }

  /** Asks the filters it has not met. @returns whether one holds it or has answered it */
  #isStopped(): boolean {
    const owner = this.#owner;
    const { exchange } = owner;
    const hooks = exchange.hooks.attempt;
    while (this.#hookAt < hooks.length) {
      const verdict = hooks[this.#hookAt++]!.onAttempt(exchange, this);
      if (this.#over) return true;
      if (verdict === undefined) continue;
      if ('release' in verdict) {
        this.#held = verdict;
        if (owner.requestDone) this.arm();
      } else owner.onAnswered(this, verdict);
      return true;
    }
    return false;
  }

  resume(reply?: LocalReply): void {
    if (this.#held === undefined) return;
    this.#letGo();
    if (reply !== undefined) this.#owner.onAnswered(this, reply);
    else if (!this.#isStopped()) {
      this.#waiting = true;
      this.#pool!.request(this);
    }
    this.#owner.exchange.stream.flush();
  }

  #letGo(): void {
    this.#held?.release();
    this.#held = undefined;
  }

  onPoolReady(stream: UpstreamStream): void {
    this.#waiting = false;
    const owner = this.#owner;
    const { stats, settings } = this.endpoint.owner ?? owner.cluster;
    this.stream = stream;
    stats.upstream_rq_active.add(1);
    stats.upstream_rq_total.inc();
    const { counts, monitor } = this.endpoint;
    monitor?.connected(false);
    counts.rqActive++;
    counts.rqTotal++;
    this.#counted = true;
    stream.begin(this);
    owner.onStream(stream);
    // A filter may have ended it.
    if (this.stream !== stream) return;
    if (owner.requestDone) this.arm();
    if (settings.pool.maxStreamDurationMs > 0) this.#armDuration(settings.pool.maxStreamDurationMs);
    this.#headSent = true;
    this.endSent = !owner.hasBody;
    stream.sendHead(owner.exchange, this.endSent);
    owner.sendKept(this, stream, this.#asking);
  }

  #armDuration(durationMs: number): void {
    this.#durationTimer = new Timer(this, DURATION);
    this.#owner.runtime.wheel.arm(this.#durationTimer, durationMs);
  }

  onPoolFailure(failure: PoolFailure, reason: string): void {
    this.#waiting = false;
    if (failure !== 'OVERLOADED') this.endpoint.countFailure();
    this.#owner.onPoolFailure(this, failure, reason);
  }

  /** The request is complete. */
  writeEnd(trailers: HeaderList): void {
    if (this.endSent || this.stream === undefined) return;
    this.endSent = true;
    this.stream.sendEnd(trailers);
  }

  /** Lets go of the connection, or of the place in the queue. */
  abandon(): void {
    this.#over = true;
    this.disarm();
    this.#letGo();
    if (this.#waiting) this.#pool?.cancel(this);
    this.#waiting = false;
    const { stream } = this;
    this.stream = undefined;
    stream?.reset();
    this.#leave();
  }

  /** Its response is of no use: what is not complete of it is given up. @param complete whether nothing of it is to come */
  discard(complete: boolean): void {
    if (complete && this.endSent) this.stream = undefined;
    this.abandon();
  }

  #leave(): void {
    if (!this.#counted) return;
    this.#counted = false;
    const { breaker, cluster, priority } = this.#owner;
    const { owner = cluster } = this.endpoint;
    (owner === cluster ? breaker : owner.breakerOf(priority)).requests.release();
    owner.stats.upstream_rq_active.add(-1);
    this.endpoint.counts.rqActive--;
  }

  // --- the response

  onResponseHead(head: IncomingResponse): void {
    if (head.status !== 100) this.#touch();
    const { load } = this.endpoint;
    if (load !== undefined && head.status >= 200) this.#reported = load.take(head.headers);
    this.#owner.onResponseHead(this, head);
  }

  /** Its response is the client's from now on. */
  respond(): void {
    this.responding = true;
    this.#disarmTry();
  }

  /** It took too long, whether its response has begun or not. */
  countTimeout(): void {
    // No endpoint is to blame for what a filter does.
    if (this.#held !== undefined) return;
    this.endpoint.countTimeout(this.stream !== undefined && !this.responding && !this.#slow);
  }

  /** It takes long, and goes on. */
  noteSlow(): void {
    if (this.#held !== undefined) return;
    this.#slow = true;
    this.endpoint.countSlow();
  }

  onResponseData(data: Buffer): void {
    if (!this.responding) return;
    this.#touch();
    const { exchange } = this.#owner;
    exchange.respondData(data);
    if (exchange.stream.full) this.stream?.pause();
  }

  onResponseTrailers(trailers: HeaderList): void {
    if (!this.#reported) this.endpoint.load?.take(trailers);
    if (this.responding) this.#owner.exchange.respondTrailers(trailers);
  }

  onReadDone(): void {
    if (this.responding) this.#owner.exchange.stream.flush();
  }

  get keepsData(): boolean {
    return this.#owner.exchange.stream.keepsData;
  }

  onResponseEnd(): void {
    lastOfKind.attempt = this;
    const { stream } = this;
    this.stream = undefined;
    this.disarm();
    this.#leave();
    this.#owner.onResponseEnd(this, stream);
  }

  onUpstreamDrain(): void {
    this.#owner.exchange.stream.resume();
  }

  onUpstreamReset(reason: ResetReason): void {
    this.stream = undefined;
    this.disarm();
    this.#leave();
    this.endpoint.countFailure();
    if (!this.#over) this.#owner.onUpstreamReset(this, reason, this.#headSent);
  }

  onTimer(kind: number): void {
    if (kind === DURATION) {
      (this.endpoint.owner ?? this.#owner.cluster).stats.upstream_rq_max_duration_reached.inc();
      this.#owner.onDuration(this);
      return;
    }
    const code: ErrorCode = kind === TRY ? 'PER_TRY_TIMEOUT' : 'PER_TRY_IDLE_TIMEOUT';
    const owner = this.#owner;
    if (owner.timeouts.hedges) {
      this.noteSlow();
      owner.onSlowTry(this);
      return;
    }
    const { stats } = owner.cluster;
    this.countTimeout();
    if (kind === TRY) stats.upstream_rq_per_try_timeout.inc();
    else stats.upstream_rq_per_try_idle_timeout.inc();
    this.abandon();
    owner.onTryTimeout(this, code);
  }
}
