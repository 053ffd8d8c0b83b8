/**
 * One ADS stream of one proxy, of either variant of the protocol: the state machine of room `xds`
 * between the gRPC call and {@link Discovery}.
 */
import { status } from '@grpc/grpc-js';
import { formatProblem } from '#core/problem.ts';
import type { Logger } from '#observe/log.ts';
import type { Node } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { Status } from '#xds/gen/google/rpc/status_pb.js';
import { healthInformationType } from '#xds/health-information.ts';
import { kindOfTypeUrl, serviceOfTypeUrl } from '#xds/resource-type.ts';
import type { KindStatus, ServerStream } from '#xds/server/contract.ts';
import type { Snapshot } from '#xds/snapshot.ts';
import type { Admission, Registrar } from '../register/registrar.ts';
import type { Refusal } from '../register/verdict.ts';
import { type ProxyNode, proxyNode } from '../translate/node.ts';
import type { Caller } from './caller.ts';
import type { ConnectedProxy, Discovery } from './discovery.ts';
import type { DiscoveryMetrics } from './discovery-metrics.ts';

/** The parts that both variants' requests have. */
export interface AdsRequest {
  readonly node?: Node;
  readonly typeUrl: string;
  readonly responseNonce: string;
  readonly errorDetail?: Status;
}

/** The parts that both variants' responses have. */
export interface AdsResponse {
  readonly typeUrl: string;
  readonly nonce: string;
}

/** The gRPC call, as far as a stream uses it. */
export interface AdsCall<Request> {
  on(event: 'data', listener: (request: Request) => void): unknown;
  on(event: 'end' | 'cancelled' | 'close', listener: () => void): unknown;
  on(event: 'error', listener: (error: Error) => void): unknown;
  write(bytes: Buffer): boolean;
  end(): void;
  /** Ends the call with an error status. */
  emit(event: 'error', error: { readonly code: status; readonly details: string }): boolean;
  getPeer(): string;
}

export interface AdsStreamParts<Request, Response> {
  readonly call: AdsCall<Request>;
  readonly protocol: 'delta' | 'sotw';
  readonly machine: ServerStream<Request, Response>;
  readonly encode: (response: Response) => Buffer;
  readonly discovery: Discovery<AdsProxy>;
  readonly metrics: DiscoveryMetrics;
  readonly log: Logger;
  readonly nowMs: () => number;
  /** Undefined on the plaintext port. */
  readonly caller: Caller | undefined;
  /** Absent: nobody can register. */
  readonly registrar?: StreamRegistrar | undefined;
}

/** What is to know of streams of workloads that register themselves. */
export type StreamRegistrar = Pick<Registrar, 'connect' | 'disconnect' | 'report' | 'viewOf'>;

/** What is shown of a stream. */
export interface AdsProxy extends ConnectedProxy {
  readonly connectionId: string;
  readonly rawNode: Node;
  readonly protocol: 'delta' | 'sotw';
  /** Address and port of the peer. */
  readonly peer: string;
  readonly connectedAtMs: number;
  status(): readonly KindStatus[];
}

const refusalCodes: Readonly<Record<Refusal['code'], status>> = {
  denied: status.PERMISSION_DENIED,
  unfit: status.FAILED_PRECONDITION,
};

/** Responses whose answer is timed; a proxy that never answers must not fill memory. */
const MAX_TIMED = 64;
let connections = 0;

/** Serves `call` until it ends. */
export function serveAdsStream<Request extends AdsRequest, Response extends AdsResponse>(
  parts: AdsStreamParts<Request, Response>,
): void {
  new AdsStream(parts).serve();
}

class AdsStream<Request extends AdsRequest, Response extends AdsResponse> {
  readonly #parts: AdsStreamParts<Request, Response>;
  readonly #connectedAtMs: number;
  readonly #sentAtMs = new Map<string, number>();
  #proxy: AdsProxy | undefined;
  #expiry: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(parts: AdsStreamParts<Request, Response>) {
    this.#parts = parts;
    this.#connectedAtMs = parts.nowMs();
  }

  serve(): void {
    const { call, caller, nowMs } = this.#parts;
    if (caller?.expiresAtMs !== undefined) {
      const expired = (): void => {
        this.#refuse(status.UNAUTHENTICATED, 'a stream opened with a join token ends after ten minutes');
      };
      this.#expiry = setTimeout(expired, Math.max(caller.expiresAtMs - nowMs(), 0)).unref();
    }
    call.on('data', (request) => this.#onRequest(request));
    call.on('error', () => this.#leave());
    call.on('cancelled', () => this.#leave());
    call.on('close', () => this.#leave());
    call.on('end', () => {
      this.#leave();
      call.end();
    });
  }

  #onRequest(request: Request): void {
    if (this.#ended) return;
    const { machine } = this.#parts;
    try {
      if (this.#proxy === undefined && !this.#introduce(request)) return;
      if (request.typeUrl === healthInformationType) {
        this.#parts.registrar?.report(this.#proxy!, failureOf(request));
        return;
      }
      this.#note(request);
      this.#send(machine.onRequest(request));
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The first request says who the proxy is. */
  #introduce(request: Request): boolean {
    const { call, caller, discovery, log, machine, protocol, registrar } = this.#parts;
    if (request.node === undefined)
      return this.#refuse(status.INVALID_ARGUMENT, 'the first request has no node');
    const parsed = proxyNode(request.node);
    if (!parsed.ok) {
      return this.#refuse(status.INVALID_ARGUMENT, parsed.problems.map(formatProblem).join('; '));
    }
    const proxy: AdsProxy = {
      connectionId: `${parsed.value.podName}.${parsed.value.namespace}-${++connections}`,
      node: { ...parsed.value, byDelta: protocol === 'delta' },
      rawNode: request.node,
      caller,
      protocol,
      peer: call.getPeer(),
      connectedAtMs: this.#connectedAtMs,
      status: () => machine.status(),
      offer: (snapshot: Snapshot) => this.#send(machine.onSnapshot(snapshot)),
      refuse: (reason) => void this.#refuse(status.PERMISSION_DENIED, reason),
      dismiss: (reason) => this.#end(status.NOT_FOUND, reason),
    };
    const stranger = discovery.whyStranger(proxy);
    if (stranger !== undefined) return this.#refuse(status.PERMISSION_DENIED, stranger);
    const admission: Admission = registrar?.connect(proxy) ?? { ok: true };
    if (!admission.ok) return this.#refuse(refusalCodes[admission.code], admission.reason);
    this.#proxy = proxy;
    // Nothing is said before its own registration is part of it.
    if (admission.published === undefined) this.#join(proxy);
    else void admission.published.then(() => this.#join(proxy));
    log.info('control.proxy-connected', { node: proxy.node.id, protocol, identity: caller?.id.uri });
    return true;
  }

  #join(proxy: AdsProxy): void {
    if (this.#ended) return;
    const { discovery } = this.#parts;
    try {
      const stranger = discovery.join(proxy);
      if (stranger === undefined) discovery.push(proxy);
      else this.#refuse(status.PERMISSION_DENIED, stranger);
    } catch (error) {
      this.#fail(error);
    }
  }

  #fail(error: unknown): void {
    const { log, metrics } = this.#parts;
    metrics.internalError();
    log.error('control.stream-failed', { node: this.#proxy?.node.id, error: String(error) });
    this.#refuse(status.INTERNAL, 'the control plane failed to answer');
  }

  /** Counts answers before the machine books them. */
  #note({ typeUrl, responseNonce, errorDetail }: Request): void {
    const { log, metrics, nowMs } = this.#parts;
    const kind = kindOfTypeUrl(typeUrl);
    if (kind === undefined) {
      log.debug('control.unknown-type', { node: this.#proxy?.node.id, typeUrl });
      return;
    }
    if (responseNonce === '') return;
    const sentAtMs = this.#sentAtMs.get(responseNonce);
    this.#sentAtMs.delete(responseNonce);
    if (errorDetail !== undefined) {
      metrics.rejected(kind);
      const type = serviceOfTypeUrl(typeUrl);
      log.warn('control.nack', { node: this.#proxy?.node.id, type, error: errorDetail.message });
    } else if (sentAtMs !== undefined) metrics.converged((nowMs() - sentAtMs) / 1000);
  }

  #send(responses: readonly Response[]): void {
    if (this.#ended) return;
    const { call, encode, metrics, nowMs } = this.#parts;
    for (const response of responses) {
      const bytes = encode(response);
      const kind = kindOfTypeUrl(response.typeUrl);
      if (kind !== undefined) metrics.sent(kind, bytes.length);
      if (this.#sentAtMs.size < MAX_TIMED) this.#sentAtMs.set(response.nonce, nowMs());
      // Bounded without looking at the result: of a kind one response at most is unanswered.
      call.write(bytes);
    }
  }

  #refuse(code: status, details: string): false {
    if (this.#ended) return false;
    const { call, caller, log, metrics } = this.#parts;
    metrics.refused();
    log.warn('control.stream-refused', { peer: call.getPeer(), identity: caller?.id.uri, reason: details });
    this.#end(code, details);
    return false;
  }

  #end(code: status, details: string): void {
    if (this.#ended) return;
    this.#leave();
    this.#parts.call.emit('error', { code, details });
  }

  #leave(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearTimeout(this.#expiry);
    if (this.#proxy === undefined) return;
    this.#parts.discovery.leave(this.#proxy);
    this.#parts.registrar?.disconnect(this.#proxy);
    this.#parts.log.info('control.proxy-disconnected', { node: this.#proxy.node.id });
  }
}

function failureOf({ errorDetail }: AdsRequest): string | undefined {
  if (errorDetail === undefined) return undefined;
  return errorDetail.message === '' ? 'it did not say why' : errorDetail.message;
}

/** The node of a proxy that is connected, under the name `POD.NAMESPACE`. */
export function proxyName(node: ProxyNode): string {
  return `${node.podName}.${node.namespace}`;
}
