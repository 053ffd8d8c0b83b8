/** Checks that are a request of HTTP, and the answer's status, headers and body. */
import type { HeaderList } from '#http/header-list.ts';
import { headerOf, noTrailers } from '#http/header-list.ts';
import type {
  IncomingResponse,
  OutgoingRequest,
  PoolClient,
  ResponseHandler,
  UpstreamStream,
} from '../../pool/contract.ts';
import { EndpointPools } from '../../pool/endpoint-pools.ts';
import { CircuitBreaker, defaultCircuitLimits } from '../circuit-breaker.ts';
import { ClusterStats } from '../stats.ts';
import { findInOrder } from './payload.ts';
import type { Probe, ProbeFailure, ProbeHandler, ProbePlace } from './probe.ts';
import type { CheckKind, Statuses } from './settings.ts';
import { unseenScope } from './unseen-scope.ts';

/** What is asked, and what is made of the answer. */
export interface Question {
  readonly request: OutgoingRequest;
  readonly body: Buffer;
  readonly major: 1 | 2;
  readonly maxBodyBytes: number;
  judge(answer: Answer, handler: ProbeHandler): void;
}

export interface Answer {
  readonly status: number;
  readonly headers: HeaderList;
  readonly trailers: HeaderList;
  readonly body: Buffer;
}

export class HttpProbe implements Probe, PoolClient, ResponseHandler {
  readonly keepsData = true;
  readonly #place: ProbePlace;
  readonly #question: Question;
  readonly #handler: ProbeHandler;
  readonly #breaker = new CircuitBreaker(defaultCircuitLimits, 'default', {
    ...{ scope: unseenScope, shared: undefined, isFirst: false },
  });
  #pools: EndpointPools | undefined;
  #stream: UpstreamStream | undefined;
  #status = 0;
  #headers: HeaderList = [];
  #trailers: HeaderList = noTrailers;
  #body: Buffer[] = [];
  #bodyBytes = 0;

  constructor(place: ProbePlace, question: Question, handler: ProbeHandler) {
    this.#place = place;
    this.#question = question;
    this.#handler = handler;
  }

  begin(): void {
    const { endpoint, settings, deps } = this.#place;
    this.#status = 0;
    this.#headers = [];
    this.#trailers = noTrailers;
    this.#body = [];
    this.#bodyBytes = 0;
    const protocol = this.#question.major === 2 ? 'http2' : 'http1';
    this.#pools ??= new EndpointPools(
      endpoint,
      { ...settings, protocol, idleTimeoutMs: 0, maxRequestsPerConnection: 0, maxConnectionDurationMs: 0 },
      this.#breaker,
      new ClusterStats(unseenScope),
      deps,
    );
    this.#pools.of(1).request(this);
  }

  abort(): void {
    const stream = this.#stream;
    this.#leave();
    stream?.reset();
    this.#drop();
  }

  close(): void {
    this.abort();
  }

  #drop(): void {
    const pools = this.#pools;
    this.#pools = undefined;
    pools?.of(1).cancel(this);
    pools?.close();
  }

  #leave(): void {
    if (this.#stream === undefined) return;
    this.#stream = undefined;
    this.#breaker.requests.release();
  }

  onPoolReady(stream: UpstreamStream): void {
    this.#stream = stream;
    const { request, body } = this.#question;
    stream.begin(this);
    stream.sendHead({ ...request, requestHeaders: [...request.requestHeaders] }, body.length === 0);
    if (body.length > 0) {
      stream.sendData(body);
      stream.sendEnd(noTrailers);
    }
    stream.flush();
  }

  onPoolFailure(): void {
    this.#handler.failed({ type: 'NETWORK' });
  }

  onResponseHead({ status, headers }: IncomingResponse): void {
    if (status < 200) return;
    this.#status = status;
    this.#headers = headers;
  }

  onResponseData(data: Buffer): void {
    const { maxBodyBytes } = this.#question;
    if (maxBodyBytes > 0 && this.#bodyBytes >= maxBodyBytes) return;
    this.#bodyBytes += data.length;
    this.#body.push(Buffer.from(data));
  }

  onResponseTrailers(trailers: HeaderList): void {
    this.#trailers = trailers;
  }

  onResponseEnd(): void {
    this.#leave();
    if (!this.#place.reusesConnection) {
      this.#pools?.drain();
      this.#pools = undefined;
    }
    const [status, headers, trailers] = [this.#status, this.#headers, this.#trailers];
    this.#question.judge({ status, headers, trailers, body: Buffer.concat(this.#body) }, this.#handler);
  }

  onUpstreamReset(): void {
    this.#leave();
    this.#handler.failed({ type: 'NETWORK' });
  }

  onUpstreamDrain(): void {}
  onReadDone(): void {}
}

/** @param place says who asks whom. */
export function httpQuestion(check: Extract<CheckKind, { kind: 'http' }>, place: ProbePlace): Question {
  const { method, path, body, headers, removed, major } = check;
  const own = ['user-agent', 'Envoy/HC', ...headers];
  const requestHeaders: HeaderList = [];
  for (let i = 0; i < own.length; i += 2) {
    if (!removed.includes(own[i]!)) requestHeaders.push(own[i]!, own[i + 1]!);
  }
  return {
    request: {
      ...{ method, path, requestHeaders, upgrade: '', requestNames: undefined },
      authority: place.hostname || check.host || place.cluster,
      scheme: place.endpoint.transport.secure ? 'https' : 'http',
    },
    body,
    major,
    maxBodyBytes: check.bodyBytes,
    judge: (answer, handler) => judge(check, answer, handler),
  };
}

function judge(
  check: Extract<CheckKind, { kind: 'http' }>,
  { status, headers, body }: Answer,
  handler: ProbeHandler,
): void {
  const fail = (more: Partial<ProbeFailure> = {}): void =>
    handler.failed({ type: 'ACTIVE', status, ...more });
  if (!isAmong(status, check.expected)) {
    const immediate = headerOf(headers, 'x-envoy-immediate-health-check-fail') !== undefined;
    fail({ immediate, retriable: isAmong(status, check.retriable) });
    return;
  }
  if (check.service !== undefined) {
    handler.comparesService();
    if (!check.service(headerOf(headers, 'x-envoy-upstream-healthchecked-cluster') ?? '')) {
      fail();
      return;
    }
  }
  if (check.receive.length > 0 && !findInOrder(body, check.receive)) fail();
  else handler.passed(headerOf(headers, 'x-envoy-degraded') !== undefined);
}

function isAmong(status: number, ranges: readonly Statuses[]): boolean {
  return ranges.some(([from, to]) => status >= from && status < to);
}
