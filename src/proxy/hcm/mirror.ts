/** A copy of a request for another cluster, whose answer nobody waits for (Envoy, "Shadowing"). */
import { Timer, type TimerOwner } from '#core/timer-wheel.ts';
import { type HeaderList, headerOf, setHeader } from '#http/header-list.ts';
import type { CircuitBreaker } from '../cluster/circuit-breaker.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type {
  ConnectionPool,
  IncomingResponse,
  OutgoingRequest,
  PoolClient,
  PoolFailure,
  ResponseHandler,
  UpstreamStream,
} from '../pool/contract.ts';
import { replyTo } from '../reply.ts';
import type { MirrorPolicy } from '../route/mirror-policy.ts';
import { noteResponse } from './attempt-outcome.ts';
import { nextEndpoint } from './endpoint-choice.ts';
import type { HttpExchange } from './exchange.ts';
import type { HcmRuntime } from './runtime.ts';

const noMirrors: readonly Mirror[] = [];

const WHOLE = 0;
const BEHIND = 1;
/** How long a copy that cannot follow may slow its request down before it is given up. */
const PATIENCE_MS = 1000;

/** Of a request that goes upstream now; those that draw no copy, or have no cluster, are left out. @param timeoutMs 0: none */
export function startMirrors(
  policies: readonly MirrorPolicy[],
  exchange: HttpExchange,
  runtime: HcmRuntime,
  hasBody: boolean,
  timeoutMs: number,
): readonly Mirror[] {
  // What comes after another protocol is agreed on is for the two who agree.
  if (exchange.method === 'CONNECT' || exchange.upgrade !== '') return noMirrors;
  const mirrors: Mirror[] = [];
  try {
    for (const policy of policies) {
      if (!policy.takes(exchange.randomValue)) continue;
      const cluster = runtime.cluster(policy.clusterOf(exchange));
      if (cluster === undefined) continue;
      const mirror = new Mirror(policy, exchange, cluster, runtime, hasBody);
      mirror.start(exchange, timeoutMs);
      mirrors.push(mirror);
    }
  } catch (error) {
    runtime.onException(error);
  }
  return mirrors;
}

/** Nothing of it reaches the request it is a copy of. */
export class Mirror implements PoolClient, ResponseHandler, OutgoingRequest, TimerOwner {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly scheme: string;
  readonly requestHeaders: HeaderList;
  readonly upgrade = '';
  readonly requestNames = undefined;
  readonly keepsData = false;
  readonly #cluster: ClusterRuntime;
  readonly #breaker: CircuitBreaker;
  readonly #runtime: HcmRuntime;
  readonly #isGrpc: boolean;
  readonly #bufferLimitBytes: number;
  readonly #startMs: number;
  readonly #exchange: HttpExchange;
  #endpoint: Endpoint | undefined = undefined;
  #pool: ConnectionPool | undefined = undefined;
  #waiting = false;
  #stream: UpstreamStream | undefined = undefined;
  #counted = false;
  /** What could not be sent yet. */
  #body: Buffer[] = [];
  #bodyBytes = 0;
  #trailers: HeaderList = [];
  #complete: boolean;
  #endSent = false;
  #status = 0;
  #timeoutMs = 0;
  #over = false;
  #timer: Timer | undefined = undefined;
  #patience: Timer | undefined = undefined;
  /** Whose client waits for the copy; undefined where nobody does. */
  #heldBack: HttpExchange | undefined = undefined;

  constructor(
    policy: MirrorPolicy,
    exchange: HttpExchange,
    cluster: ClusterRuntime,
    runtime: HcmRuntime,
    hasBody: boolean,
  ) {
    this.method = exchange.method;
    this.path = exchange.path;
    this.authority = policy.hostOf(exchange.authority);
    this.scheme = exchange.scheme;
    const headers = [...exchange.requestHeaders];
    setHeader(headers, 'x-envoy-internal', 'true');
    const before = headerOf(headers, 'x-forwarded-for');
    setHeader(
      headers,
      'x-forwarded-for',
      before === undefined ? runtime.localAddress : `${before},${runtime.localAddress}`,
    );
    policy.change(headers, exchange);
    this.requestHeaders = headers;
    this.#cluster = cluster;
    this.#breaker = cluster.breaker;
    this.#runtime = runtime;
    this.#isGrpc = exchange.isGrpc;
    this.#bufferLimitBytes = exchange.bufferLimitBytes;
    this.#exchange = exchange;
    this.#startMs = runtime.clock.nowMs();
    this.#complete = !hasBody;
  }

  start(exchange: HttpExchange, timeoutMs: number): void {
    this.#runtime.stats.ownRequests.inc();
    const endpoint = nextEndpoint(this.#cluster, exchange, undefined, undefined, undefined, false, undefined);
    if (endpoint === undefined) {
      this.#fail(replyTo('NO_ENDPOINT').status);
      return;
    }
    this.#endpoint = endpoint;
    this.#timeoutMs = timeoutMs;
    if (this.#complete) this.#arm();
    const { facts, major } = exchange.stream;
    this.#pool = this.#cluster.poolOf(endpoint, major, facts, '', 'default');
    this.#waiting = true;
    this.#pool.request(this);
  }

  /** From the whole request on. */
  #arm(): void {
    if (this.#timeoutMs <= 0) return;
    this.#timer ??= new Timer(this, WHOLE);
    this.#runtime.wheel.arm(this.#timer, this.#timeoutMs);
  }

  // --- the request

  /** What is at hand is shared with whoever else sends it. */
  sendData(data: Buffer): void {
    if (this.#over) return;
    if (this.#stream !== undefined && !this.#stream.full && this.#body.length === 0) {
      this.#stream.sendData(data);
      return;
    }
    this.#body.push(data);
    this.#bodyBytes += data.length;
    if (this.#bodyBytes > 2 * this.#bufferLimitBytes) this.#abandon();
    else if (this.#bodyBytes > this.#bufferLimitBytes) this.#holdBack();
  }

  /** A copy that cannot follow is given up. */
  #abandon(): void {
    this.#cluster.stats.retry_or_shadow_abandoned.inc();
    this.cancel();
  }

  #holdBack(): void {
    if (this.#heldBack !== undefined) return;
    this.#heldBack = this.#exchange;
    this.#exchange.stream.pause();
    this.#patience ??= new Timer(this, BEHIND);
    this.#runtime.wheel.arm(this.#patience, PATIENCE_MS);
  }

  #letGo(): void {
    const held = this.#heldBack;
    if (held === undefined) return;
    this.#heldBack = undefined;
    this.#runtime.wheel.disarm(this.#patience!);
    held.stream.resume();
  }

  end(trailers: HeaderList): void {
    if (this.#over) return;
    this.#complete = true;
    this.#arm();
    this.#trailers = trailers;
    this.#writeEnd();
  }

  flush(): void {
    this.#stream?.flush();
  }

  /** The request it is a copy of has broken off. */
  cancel(): void {
    if (this.#over) return;
    if (this.#waiting) this.#pool?.cancel(this);
    const stream = this.#stream;
    this.#stream = undefined;
    stream?.reset();
    this.#end();
  }

  #writeEnd(): void {
    if (!this.#complete || this.#endSent || this.#stream === undefined || this.#body.length > 0) return;
    this.#endSent = true;
    this.#stream.sendEnd(this.#trailers);
    this.#stream.flush();
  }

  #sendKept(stream: UpstreamStream): void {
    while (this.#body.length > 0 && !stream.full) {
      const data = this.#body.shift()!;
      this.#bodyBytes -= data.length;
      stream.sendData(data);
    }
    if (this.#bodyBytes <= this.#bufferLimitBytes) this.#letGo();
    this.#writeEnd();
    stream.flush();
  }

  // --- the pool

  onPoolReady(stream: UpstreamStream): void {
    this.#waiting = false;
    this.#stream = stream;
    const { stats } = this.#cluster;
    stats.upstream_rq_active.add(1);
    stats.upstream_rq_total.inc();
    const { counts, monitor } = this.#endpoint!;
    monitor?.connected(false);
    counts.rqActive++;
    counts.rqTotal++;
    this.#counted = true;
    stream.begin(this);
    this.#endSent = this.#complete && this.#body.length === 0 && this.#trailers.length === 0;
    stream.sendHead(this, this.#endSent);
    this.#sendKept(stream);
  }

  onPoolFailure(failure: PoolFailure): void {
    this.#waiting = false;
    if (failure !== 'OVERLOADED') this.#endpoint!.countFailure();
    this.#fail(replyTo(failure).status);
  }

  // --- the response, which is of no interest

  onResponseHead({ status, headers }: IncomingResponse): void {
    if (status < 200) return;
    this.#status = status;
    noteResponse(this.#endpoint!, status, headers, this.#isGrpc);
    this.#cluster.stats.countStatus(status);
    this.#endpoint!.countStatus(status);
  }

  onResponseData(): void {}

  onResponseTrailers(): void {}

  onReadDone(): void {}

  onResponseEnd(): void {
    const stream = this.#stream;
    this.#stream = undefined;
    this.#cluster.stats.upstream_rq_time.record(this.#runtime.clock.nowMs() - this.#startMs);
    if (!this.#endSent) stream?.reset();
    this.#end();
  }

  onUpstreamReset(): void {
    this.#stream = undefined;
    this.#endpoint!.countFailure();
    this.#fail(replyTo('UPSTREAM_RESET').status);
  }

  onUpstreamDrain(): void {
    if (this.#stream !== undefined) this.#sendKept(this.#stream);
  }

  onTimer(kind: number): void {
    if (kind === BEHIND) {
      this.#abandon();
      return;
    }
    this.#cluster.stats.upstream_rq_timeout.inc();
    this.#endpoint?.countTimeout(this.#stream !== undefined && this.#status === 0);
    const status = this.#status;
    this.cancel();
    if (status === 0) this.#cluster.stats.countStatus(replyTo('UPSTREAM_TIMEOUT').status);
  }

  /** @param status of the answer a client would get */
  #fail(status: number): void {
    if (this.#status === 0) this.#cluster.stats.countStatus(status);
    this.#end();
  }

  #end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#waiting = false;
    this.#body = [];
    this.#letGo();
    if (this.#timer !== undefined) this.#runtime.wheel.disarm(this.#timer);
    if (!this.#counted) return;
    this.#counted = false;
    this.#breaker.requests.release();
    this.#cluster.stats.upstream_rq_active.add(-1);
    this.#endpoint!.counts.rqActive--;
  }
}
