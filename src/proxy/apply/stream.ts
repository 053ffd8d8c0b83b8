/**
 * One xDS stream kept open: connects, reconnects with back-off, keeps the subscriptions, and hands
 * updates over one at a time. What is in force stays in force while the server is away.
 */
import type { Problem } from '#core/problem.ts';
import { inSlices } from '#core/time-slice.ts';
import type { Logger } from '#observe/log.ts';
import type { Gauge } from '#observe/metrics-contract.ts';
import type { AnyUpdate, ClientStream } from '#xds/client/contract.ts';
import { createDeltaClientStream } from '#xds/client/delta.ts';
import { createSotwClientStream } from '#xds/client/sotw.ts';
import type { Node } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { AggregatedDiscoveryService } from '#xds/gen/envoy/service/discovery/v3/ads_pb.js';
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { SecretDiscoveryService } from '#xds/gen/envoy/service/secret/v3/sds_pb.js';
import type { ResourceKind } from '#xds/resource-type.ts';
import type { MessageStream, StreamEvents, Transport } from '#xds/transport.ts';

/** What became of an update. */
export interface Outcome {
  /** An error among them refuses the update. */
  readonly problems: readonly Problem[];
  /** Names of what is in force all the same. */
  readonly applied: readonly string[];
}

export interface StreamOptions {
  /** For the log, such as `ads` or `sds sds-grpc`. */
  readonly name: string;
  readonly service: 'ads' | 'sds';
  readonly protocol: 'sotw' | 'delta';
  readonly node: Node;
  readonly transport: Transport;
  readonly metadata: Readonly<Record<string, string>>;
  readonly log: Logger;
  /** 1 while connected (Envoy's `control_plane.connected_state`). */
  readonly connectedState: Gauge;
  /** From 0 to below 1. */
  readonly random: () => number;
  apply(update: AnyUpdate): Promise<Outcome>;
}

/** Envoy's defaults for management servers. */
const FIRST_BACK_OFF_MS = 500;
const MAX_BACK_OFF_MS = 30_000;
/** An agent is on this host: it is back within seconds, and asking it costs nobody else anything. */
const MAX_SDS_BACK_OFF_MS = 2000;

export interface XdsStream {
  start(): void;
  /** Makes the names asked for of one kind exactly these; `*` asks for all. */
  want(kind: ResourceKind, names: Iterable<string>): void;
  /** Says how the application is, now and on each connection to come. @param failure undefined: it is healthy */
  reportHealth(failure: string | undefined): void;
  /** What it lacked may be there now: where it waits to connect again, it does so at once. */
  hurry(): void;
  close(): void;
}

type Request = DeltaDiscoveryRequest | DiscoveryRequest;
type Response = DeltaDiscoveryResponse | DiscoveryResponse;

export function createXdsStream(options: StreamOptions): XdsStream {
  return new ReconnectingStream(options);
}

class ReconnectingStream implements XdsStream {
  readonly #options: StreamOptions;
  readonly #client: ClientStream<Request, Response>;
  readonly #wanted = new Map<ResourceKind, Set<string>>();
  #connection: MessageStream<Request> | undefined;
  /** Responses not yet applied, of the running connection. */
  #inbox: Response[] = [];
  #working = false;
  #startAfterWork = false;
  #backOffMs = FIRST_BACK_OFF_MS;
  #openedMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    const { protocol, node } = options;
    // Both variants take requests and responses of their own kind only, which the methods below keep.
    this.#client = (
      protocol === 'delta' ? createDeltaClientStream(node) : createSotwClientStream(node)
    ) as ClientStream<Request, Response>;
  }

  start(): void {
    if (this.#closed) return;
    if (this.#working) {
      // The update being applied belongs to the connection before: its nonce must not reach the next.
      this.#startAfterWork = true;
      return;
    }
    const events: StreamEvents<Response> = {
      // A server that has nothing new for us says nothing.
      onOpen: () => this.#opened(),
      onMessage: (response) => {
        this.#heard();
        this.#inbox.push(response);
        void this.#work();
      },
      onEnd: ({ code, detail }) => this.#ended(code, detail),
    };
    const connection = this.#open(events);
    this.#connection = connection;
    for (const request of this.#client.connected()) connection.send(request);
  }

  want(kind: ResourceKind, names: Iterable<string>): void {
    const next = new Set(names);
    const before = this.#wanted.get(kind) ?? new Set();
    const added = [...next].filter((name) => !before.has(name));
    const gone = [...before].filter((name) => !next.has(name));
    this.#wanted.set(kind, next);
    // First what is new, then what goes: a server never sees an empty list, which would mean all.
    if (added.length > 0) this.#send(this.#client.subscribe(kind, added));
    if (gone.length > 0) this.#send(this.#client.unsubscribe(kind, gone));
  }

  reportHealth(failure: string | undefined): void {
    this.#send(this.#client.report(failure));
  }

  hurry(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#backOffMs = FIRST_BACK_OFF_MS;
    this.#again();
  }

  #again(): void {
    this.#timer = undefined;
    this.start();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#connection?.cancel();
    this.#connection = undefined;
  }

  #open(events: StreamEvents<Response>): MessageStream<Request> {
    const { service, protocol, transport, metadata } = this.#options;
    const ads = AggregatedDiscoveryService.method;
    const sds = SecretDiscoveryService.method;
    const call = { metadata };
    if (protocol === 'delta') {
      const method = service === 'ads' ? ads.deltaAggregatedResources : sds.deltaSecrets;
      return transport.stream(method, events, call) as MessageStream<Request>;
    }
    const method = service === 'ads' ? ads.streamAggregatedResources : sds.streamSecrets;
    return transport.stream(method, events, call) as MessageStream<Request>;
  }

  #send(requests: readonly Request[]): void {
    for (const request of requests) this.#connection?.send(request);
  }

  #heard(): void {
    this.#backOffMs = FIRST_BACK_OFF_MS;
    this.#opened();
  }

  #opened(): void {
    if (this.#options.connectedState.value === 1) return;
    this.#openedMs = performance.now();
    this.#options.connectedState.set(1);
    this.#options.log.info('xds.connected', { stream: this.#options.name });
  }

  #ended(code: number, detail: string): void {
    this.#connection = undefined;
    this.#inbox = [];
    this.#client.disconnected();
    this.#options.connectedState.set(0);
    if (this.#closed) return;
    if (performance.now() - this.#openedMs > MAX_BACK_OFF_MS) this.#backOffMs = FIRST_BACK_OFF_MS;
    // Full jitter, so that a restarted server is not met by all its clients at once.
    const waitMs = Math.ceil(this.#backOffMs * (0.5 + this.#options.random() / 2));
    const maxMs = this.#options.service === 'sds' ? MAX_SDS_BACK_OFF_MS : MAX_BACK_OFF_MS;
    this.#backOffMs = Math.min(this.#backOffMs * 2, maxMs);
    this.#options.log.warn('xds.disconnected', { stream: this.#options.name, code, detail, retryMs: waitMs });
    this.#timer = setTimeout(() => this.#again(), waitMs);
  }

  /** Applies what has come, in order; one at a time. */
  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      for (let response = this.#inbox.shift(); response !== undefined; response = this.#inbox.shift()) {
        const connection = this.#connection;
        const update = await inSlices(this.#client.receive(response));
        if (update === undefined) continue;
        const outcome = await this.#options.apply(update);
        const refused = [...update.problems, ...outcome.problems].some(({ level }) => level === 'error');
        const answer = refused
          ? this.#client.nack(update, outcome.problems, outcome.applied)
          : this.#client.ack(update);
        // An answer belongs to the connection its response came by.
        if (connection !== undefined && connection === this.#connection) connection.send(answer);
      }
    } finally {
      this.#working = false;
    }
    if (this.#startAfterWork) {
      this.#startAfterWork = false;
      this.start();
    }
  }
}
