/**
 * The bytes of a connection inside an HTTP request to the endpoint, CONNECT or POST, over HTTP/1.1 or
 * HTTP/2 as the cluster speaks it (Envoy, "Tunneling TCP over HTTP").
 */
import { type HeaderList, noTrailers } from '#http/header-list.ts';
import type { AccessRecord } from '#observe/access-record.ts';
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
import type { PooledDownstream } from '../pool/endpoint-pools.ts';
import { mutate } from '../route/header-mutation.ts';
import type { Relay, RelayClose, RelayHandler } from './relay.ts';
import type { TunnelSettings } from './tunnel-settings.ts';

/** Who wants a tunnel. */
export interface TunnelHandler extends RelayHandler {
  /** The head of the response that opened the tunnel, and the trailers that ended it. */
  onTunnelHead?(status: number, headers: HeaderList): void;
  onTunnelTrailers?(trailers: HeaderList): void;
}

export function startTunnel(
  endpoint: Endpoint,
  cluster: ClusterRuntime,
  settings: TunnelSettings,
  downstream: PooledDownstream,
  handler: TunnelHandler & AccessRecord,
): Relay {
  return new Tunnel(endpoint, cluster, settings, downstream, handler);
}

const GATEWAY_TIMEOUT = 504;
const MULTIPLE_CHOICES = 300;
const OK = 200;
const SWITCHING_PROTOCOLS = 101;

class Tunnel implements Relay, PoolClient, ResponseHandler {
  readonly knowsWhatIsOut = false;
  readonly #endpoint: Endpoint;
  readonly #cluster: ClusterRuntime;
  readonly #downstream: PooledDownstream;
  readonly #handler: TunnelHandler;
  readonly #request: OutgoingRequest;
  #pool: ConnectionPool | undefined;
  #stream: UpstreamStream | undefined;
  #open = false;
  #counted = false;
  #closed = false;
  #sendingEnded = false;
  receivingEnded = false;

  constructor(
    endpoint: Endpoint,
    cluster: ClusterRuntime,
    settings: TunnelSettings,
    downstream: PooledDownstream,
    handler: TunnelHandler & AccessRecord,
  ) {
    this.#endpoint = endpoint;
    this.#downstream = downstream;
    this.#cluster = cluster;
    this.#handler = handler;
    this.#request = requestOf(settings, handler, cluster.settings.transport.secure);
    const { connections } = cluster.breaker;
    if (connections.value >= connections.limit) {
      cluster.stats.upstream_cx_overflow.inc();
      this.#closed = true;
      queueMicrotask(() => handler.onFailed('OVERLOADED', ''));
      return;
    }
    endpoint.tunnels.add(this);
    // A pool may answer at once, before whoever starts this knows of it.
    queueMicrotask(() => this.#ask());
  }

  #ask(): void {
    if (this.#closed) return;
    this.#pool = this.#cluster.poolOf(this.#endpoint, 1, this.#downstream);
    this.#pool.request(this);
  }

  onPoolReady(stream: UpstreamStream): void {
    const { stats } = this.#cluster;
    const { counts } = this.#endpoint;
    this.#pool = undefined;
    this.#stream = stream;
    stats.upstream_rq_total.inc();
    stats.upstream_rq_active.add(1);
    counts.rqTotal++;
    counts.rqActive++;
    this.#counted = true;
    stream.begin(this);
    stream.sendHead(this.#request, false);
    stream.flush();
  }

  onPoolFailure(failure: PoolFailure, reason: string): void {
    this.#pool = undefined;
    if (failure !== 'OVERLOADED') {
      this.#endpoint.monitor?.failed(failure === 'CONNECT_TIMEOUT' ? GATEWAY_TIMEOUT : undefined);
    }
    this.#fail(failure === 'OVERLOADED' ? 'TOO_MANY_WAITING' : failure, reason);
  }

  #fail(failure: Parameters<RelayHandler['onFailed']>[0], reason: string): void {
    if (this.#closed) return;
    this.#leave();
    this.#handler.onFailed(failure, reason);
  }

  // --- the response

  get keepsData(): boolean {
    return this.#handler.dataIsOut !== true;
  }

  onResponseHead(head: IncomingResponse): void {
    const { status, headers } = head;
    if (status < OK && status !== SWITCHING_PROTOCOLS) return;
    const stream = this.#stream!;
    if (status < OK || status >= MULTIPLE_CHOICES) {
      stream.reset();
      this.#fail('CONNECT_FAILED', `tunnel_response:${status}`);
      return;
    }
    this.#open = true;
    this.#handler.onTunnelHead?.(status, headers);
    this.#endpoint.monitor?.connected(true);
    this.#handler.onOpen(stream.peer, stream.localAddress, stream.remoteAddress);
  }

  onResponseData(data: Buffer): void {
    if (this.#open && !this.#closed) this.#handler.onData(data);
  }

  onResponseTrailers(trailers: HeaderList): void {
    if (this.#open && !this.#closed) this.#handler.onTunnelTrailers?.(trailers);
  }

  onReadDone(): void {}

  /** The stream is over, in both directions. */
  onResponseEnd(): void {
    this.#stream = undefined;
    this.receivingEnded = true;
    if (this.#closed) return;
    if (!this.#open) {
      this.#fail('CONNECT_FAILED', '');
      return;
    }
    this.#leave();
    this.#handler.onEnd();
    this.#handler.onClosed('closed');
  }

  onUpstreamReset(): void {
    this.#stream = undefined;
    if (this.#closed) return;
    if (!this.#open) {
      this.#fail('CONNECT_FAILED', '');
      return;
    }
    this.#leave();
    this.#handler.onClosed('closed');
  }

  onUpstreamDrain(): void {
    if (!this.#closed) this.#handler.onDrain();
  }

  // --- the relay

  get waits(): boolean {
    return this.#stream?.full ?? false;
  }

  write(data: Buffer): boolean {
    const stream = this.#stream;
    if (stream === undefined) return true;
    stream.sendData(data);
    stream.flush();
    return !stream.full;
  }

  endSending(): void {
    if (this.#sendingEnded) return;
    this.#sendingEnded = true;
    this.#stream?.sendEnd(noTrailers);
    this.#stream?.flush();
  }

  pause(): void {
    this.#stream?.pause();
  }

  resume(): void {
    this.#stream?.resume();
  }

  close(how: RelayClose = 'now'): void {
    if (this.#closed) return;
    this.#pool?.cancel(this);
    const stream = this.#stream;
    this.#leave();
    // A stream that has not ended has nothing to send any more, or is to send no more.
    if (how === 'flush' || how === 'ended') this.endSending();
    else stream?.reset();
  }

  #leave(): void {
    this.#closed = true;
    this.#endpoint.tunnels.delete(this);
    if (!this.#counted) return;
    const { stats, breaker } = this.#cluster;
    const { counts } = this.#endpoint;
    counts.rqActive--;
    stats.upstream_rq_active.add(-1);
    breaker.requests.release();
  }
}

function requestOf(settings: TunnelSettings, record: AccessRecord, secure: boolean): OutgoingRequest {
  const requestHeaders: HeaderList = [];
  if (settings.headers !== undefined) mutate(requestHeaders, [settings.headers], record);
  return {
    method: settings.method,
    path: settings.path,
    authority: settings.hostname(record),
    scheme: secure ? 'https' : 'http',
    requestHeaders,
    upgrade: '',
    requestNames: undefined,
  };
}
