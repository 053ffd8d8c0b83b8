/**
 * A CONNECT that ends here: the bytes after it go to an endpoint as a plain connection of their own
 * (RFC 9110 §9.3.6). It looks like a stream to the router, and answers 200 once it is open.
 */
import { type HeaderList, noTrailers } from '#http/header-list.ts';
import type { CircuitBreaker } from '../cluster/circuit-breaker.ts';
import type { ClusterRuntime } from '../cluster/cluster.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import { type Relay, type RelayClose, type RelayDeps, startRelay } from '../tcp/relay.ts';
import type { TlsPeer } from '../tls/context.ts';
import type {
  ConnectionPool,
  IncomingResponse,
  OutgoingRequest,
  PoolClient,
  ResponseHandler,
  UpstreamStream,
} from './contract.ts';

const noPeer: TlsPeer = { uri: '', presented: false, validated: false, ownUri: '' };

export interface TcpUpstreamDeps extends RelayDeps {
  readonly breaker: CircuitBreaker;
}

export class TcpUpstream implements ConnectionPool, UpstreamStream {
  readonly major = 0;
  readonly endpoint: Endpoint;
  peer: TlsPeer = noPeer;
  localAddress = '';
  remoteAddress = '';
  readonly #cluster: ClusterRuntime;
  readonly #deps: TcpUpstreamDeps;
  #relay: Relay | undefined;
  #handler: ResponseHandler | undefined;
  #full = false;
  #sendingEnded = false;

  constructor(endpoint: Endpoint, cluster: ClusterRuntime, deps: TcpUpstreamDeps) {
    this.endpoint = endpoint;
    this.#cluster = cluster;
    this.#deps = deps;
  }

  // --- the pool

  request(client: PoolClient): void {
    this.#relay = startRelay(this.endpoint, this.#cluster, this.#deps, {
      onOpen: (peer, localAddress, remoteAddress) => {
        this.peer = peer;
        this.localAddress = localAddress;
        this.remoteAddress = remoteAddress;
        this.#deps.breaker.requests.force();
        client.onPoolReady(this);
      },
      onFailed: (failure, reason) =>
        client.onPoolFailure(failure === 'TOO_MANY_WAITING' ? 'OVERLOADED' : failure, reason),
      dataIsOut: undefined,
      countsAsRequest: false,
      onData: (data) => {
        this.#handler?.onResponseData(data);
        this.#handler?.onReadDone();
        return this.#handler?.keepsData === false;
      },
      onDrain: () => {
        this.#full = false;
        this.#handler?.onUpstreamDrain();
      },
      onEnd: () => this.#onEnd(),
      onClosed: () => {
        const handler = this.#handler;
        this.#handler = undefined;
        handler?.onUpstreamReset('UPSTREAM_RESET');
      },
    });
  }

  cancel(): void {
    this.close();
  }

  prepare(): boolean {
    return false;
  }

  drain(): void {}

  close(): void {
    this.#close('now');
  }

  #close(how: RelayClose): void {
    this.#handler = undefined;
    this.#relay?.close(how);
  }

  // --- the stream

  begin(handler: ResponseHandler): void {
    this.#handler = handler;
  }

  sendHead(_request: OutgoingRequest, endStream: boolean): void {
    const head: IncomingResponse = {
      status: 200,
      headers: [],
      marks: 0,
      connection: '',
      contentLength: -1,
      endStream: false,
      rawNames: undefined,
    };
    this.#handler!.onResponseHead(head);
    this.#handler?.onReadDone();
    if (endStream) this.sendEnd(noTrailers);
  }

  sendData(data: Buffer): void {
    if (!this.#relay!.write(data)) this.#full = true;
  }

  sendEnd(_trailers: HeaderList): void {
    this.#sendingEnded = true;
    this.#relay!.endSending();
    if (this.#relay!.receivingEnded) this.#close('flush');
  }

  flush(): void {}

  get full(): boolean {
    return this.#full;
  }

  pause(): void {
    this.#relay?.pause();
  }

  resume(): void {
    this.#relay?.resume();
  }

  reset(): void {
    this.close();
  }

  #onEnd(): void {
    const handler = this.#handler;
    handler?.onReadDone();
    handler?.onResponseEnd();
    if (this.#sendingEnded) this.#relay?.close('ended');
  }
}
