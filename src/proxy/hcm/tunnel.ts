/** CONNECT that ends here: the bytes after it go to an endpoint as a plain connection (RFC 9110 §9.3.6). */
import type { ClusterRuntime } from '../cluster/cluster.ts';
import { replyTo } from '../reply.ts';
import { type Relay, startRelay } from '../tcp/relay.ts';
import type { HttpExchange } from './exchange.ts';
import type { HcmRuntime } from './runtime.ts';

export class Tunnel {
  readonly #exchange: HttpExchange;
  readonly #cluster: ClusterRuntime;
  readonly #runtime: HcmRuntime;
  #relay: Relay | undefined;
  #held: Buffer[] = [];
  #sendingEnded = false;
  #open = false;
  #ended = false;

  constructor(exchange: HttpExchange, cluster: ClusterRuntime, runtime: HcmRuntime) {
    this.#exchange = exchange;
    this.#cluster = cluster;
    this.#runtime = runtime;
  }

  start(): void {
    const exchange = this.#exchange;
    const endpoint = this.#cluster.dynamic?.endpointFor(exchange.authority, true) ?? this.#cluster.pick();
    if (endpoint === undefined) {
      this.#ended = true;
      exchange.refuse(replyTo('NO_ENDPOINT'));
      return;
    }
    exchange.upstreamAttempts = 1;
    exchange.endpoint = endpoint;
    exchange.upstreamHost = endpoint.address;
    exchange.connection.pause();
    this.#relay = startRelay(endpoint, this.#cluster, this.#runtime.connecting, {
      onOpen: (peer, localAddress) => {
        this.#open = true;
        exchange.upstreamPeerUri = peer.uri;
        exchange.upstreamLocalUri = peer.ownUri;
        exchange.upstreamLocalAddress = localAddress;
        exchange.responseCodeDetails = 'via_upstream';
        exchange.firstUpstreamByteMs = this.#runtime.clock.nowMs();
        exchange.respondHead(200, [], -1, false);
        exchange.connection.flush();
        for (const data of this.#held) this.#relay!.write(data);
        this.#held = [];
        if (this.#sendingEnded) this.#relay!.endSending();
        exchange.connection.resume();
      },
      onFailed: (failure, reason) => {
        this.#ended = true;
        exchange.upstreamTransportFailureReason = reason.replaceAll(' ', '_');
        exchange.refuse(replyTo(failure, reason));
      },
      onData: (data) => {
        exchange.respondData(data);
        exchange.connection.flush();
        if (exchange.connection.full) this.#relay!.pause();
      },
      onDrain: () => exchange.connection.resume(),
      onEnd: () => {
        exchange.connection.endSending();
        if (this.#sendingEnded) this.#finish();
      },
      onClosed: () => this.#finish(),
    });
  }

  sendData(data: Buffer): void {
    if (!this.#open) {
      this.#held.push(data);
      return;
    }
    if (!this.#relay!.write(data)) this.#exchange.connection.pause();
  }

  endSending(): void {
    this.#sendingEnded = true;
    if (!this.#open) return;
    this.#relay!.endSending();
    if (this.#relay!.receivingEnded) this.#finish();
  }

  onDownstreamDrain(): void {
    this.#relay?.resume();
  }

  cancel(): void {
    this.#ended = true;
    this.#relay?.close();
  }

  #finish(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#relay?.close();
    this.#exchange.endTunnel();
  }
}
