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
import type {
  DeltaDiscoveryRequest,
  DeltaDiscoveryResponse,
  DiscoveryRequest,
  DiscoveryResponse,
} from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import type { ResourceKind } from '#xds/resource-type.ts';
import type { MessageStream, StreamEvents, Transport } from '#xds/transport.ts';
import { discoveryMethods, type StreamScope } from './discovery-method.ts';
import { Lifetimes } from './lifetimes.ts';
import { ServerChoice } from './server-choice.ts';

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
  readonly scope: StreamScope;
  readonly protocol: 'sotw' | 'delta';
  readonly node: Node;
  /** One, or one and another to fall back to. */
  readonly servers: readonly StreamServer[];
  readonly log: Logger;
  /** 1 while connected (Envoy's `control_plane.connected_state`). */
  readonly connectedState: Gauge;
  /** From 0 to below 1. */
  readonly random: () => number;
  apply(update: AnyUpdate): Promise<Outcome>;
  /** Called once, where no server could be had; it is asked again when what is begun with in its place is in force. */
  onAway?(): Promise<void>;
}

export interface StreamServer {
  readonly transport: Transport;
  readonly metadata: Readonly<Record<string, string>>;
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
  /** Says that a resource is in force that was not had from a server; the server is told when it is asked. */
  adopt(kind: ResourceKind, name: string, version: string): void;
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
  /** Not yet applied: responses of the running connection. */
  #inbox: Response[] = [];
  /** Not yet applied: what is no longer good. */
  #expired: { readonly kind: ResourceKind; readonly name: string }[] = [];
  readonly #lifetimes = new Lifetimes((kind, name) => {
    this.#expired.push({ kind, name });
    void this.#work();
  });
  readonly #choice: ServerChoice;
  #saidAway = false;
  #working = false;
  #startAfterWork = false;
  #backOffMs = FIRST_BACK_OFF_MS;
  #openedMs = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(options: StreamOptions) {
    this.#options = options;
    const { protocol, node } = options;
    this.#choice = new ServerChoice(options.servers.length);
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
        this.#choice.answered();
        this.#inbox.push(response);
        void this.#work();
      },
      onEnd: ({ code, detail }) => this.#ended(code, detail),
    };
    const connection = this.#open(events);
    this.#connection = connection;
    for (const request of this.#client.connected(this.#choice.isOther)) connection.send(request);
  }

  adopt(kind: ResourceKind, name: string, version: string): void {
    this.#client.adopt(kind, name, version);
  }

  want(kind: ResourceKind, names: Iterable<string>): void {
    const next = new Set(names);
    const before = this.#wanted.get(kind) ?? new Set();
    const added = [...next].filter((name) => !before.has(name));
    const gone = [...before].filter((name) => !next.has(name));
    this.#wanted.set(kind, next);
    // First what is new, then what goes: a server never sees an empty list, which would mean all.
    if (added.length > 0) this.#send(this.#client.subscribe(kind, added));
    this.#lifetimes.forget(kind, gone);
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
    this.#lifetimes.close();
    this.#connection?.cancel();
    this.#connection = undefined;
  }

  #open(events: StreamEvents<Response>): MessageStream<Request> {
    const { scope, protocol, servers } = this.#options;
    const { transport, metadata } = servers[this.#choice.current]!;
    const { sotw, delta } = discoveryMethods[scope];
    const call = { metadata };
    if (protocol === 'delta') return transport.stream(delta, events, call) as MessageStream<Request>;
    if (sotw === undefined) throw new Error(`there is no state of the world of ${scope}`);
    return transport.stream(sotw, events, call) as MessageStream<Request>;
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
    const isOther = this.#choice.ended();
    if (this.#choice.allAway && !this.#saidAway) {
      this.#saidAway = true;
      void this.#beginWithout();
    }
    if (performance.now() - this.#openedMs > MAX_BACK_OFF_MS) this.#backOffMs = FIRST_BACK_OFF_MS;
    // Full jitter, so that a restarted server is not met by all its clients at once.
    const waitMs = Math.ceil(this.#backOffMs * (0.5 + this.#options.random() / 2));
    const maxMs = this.#options.scope === 'secret' ? MAX_SDS_BACK_OFF_MS : MAX_BACK_OFF_MS;
    this.#backOffMs = Math.min(this.#backOffMs * 2, maxMs);
    const { name: stream } = this.#options;
    const next = isOther && { nextServer: this.#choice.current };
    this.#options.log.warn('xds.disconnected', { stream, code, detail, retryMs: waitMs, ...next });
    this.#timer = setTimeout(() => this.#again(), waitMs);
  }

  /** Applies what has come, in order; one at a time. */
  async #work(): Promise<void> {
    if (this.#working) return;
    this.#working = true;
    try {
      for (;;) {
        const response = this.#inbox.shift();
        if (response !== undefined) await this.#answer(response);
        else if (this.#expired.length > 0) await this.#expire();
        else break;
      }
    } finally {
      this.#working = false;
    }
    if (this.#startAfterWork) {
      this.#startAfterWork = false;
      this.start();
    }
  }

  /** Nothing is asked meanwhile: what is adopted is said with the first request. */
  async #beginWithout(): Promise<void> {
    const { onAway, log, name: stream } = this.#options;
    if (onAway === undefined) return;
    this.#working = true;
    try {
      await onAway.call(this.#options);
    } catch (error) {
      log.error('xds.not-begun', { stream, error });
    } finally {
      this.#working = false;
    }
    if (this.#startAfterWork) {
      this.#startAfterWork = false;
      this.start();
    }
  }

  async #answer(response: Response): Promise<void> {
    const connection = this.#connection;
    const update = await inSlices(this.#client.receive(response));
    if (update === undefined) return;
    const outcome = await this.#options.apply(update);
    const refused = [...update.problems, ...outcome.problems].some(({ level }) => level === 'error');
    const answer = refused
      ? this.#client.nack(update, outcome.problems, outcome.applied)
      : this.#client.ack(update);
    this.#lifetimes.take(update, refused ? outcome.applied : undefined);
    // An answer belongs to the connection its response came by.
    if (connection !== undefined && connection === this.#connection) connection.send(answer);
  }

  /** What came again meanwhile is as good as before. */
  async #expire(): Promise<void> {
    const { log, name: stream } = this.#options;
    const expired = this.#expired.filter(({ kind, name }) => !this.#lifetimes.isLimited(kind, name));
    this.#expired = [];
    for (const { kind, name } of expired) {
      log.warn('xds.expired', { stream, kind, name });
      await this.#options.apply(this.#client.expire(kind, [name]));
    }
  }
}
