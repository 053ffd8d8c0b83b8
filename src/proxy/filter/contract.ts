/**
 * What an HTTP filter is. One object serves all requests of a listener; what it keeps about one
 * request it puts into the exchange. Hooks answer at once: nothing to go on, `'wait'` to be resumed
 * later, or a reply that ends the matter. Hooks a filter does not have cost nothing.
 */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Clock } from '#core/clock.ts';
import type { Parsed } from '#core/problem.ts';
import type { Random } from '#core/random.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import type { Logger } from '#observe/log.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { CompiledRoute, RouteRequest } from '../route/table.ts';

/** A reply made here instead of upstream. */
export interface LocalReply {
  readonly status: number;
  /** Byte string; '' for none. Is the message of the status where the request is gRPC. */
  readonly body: string;
  /** Envoy's short response flag; '' for none. */
  readonly flag: string;
  readonly details: string;
  readonly headers?: HeaderList;
  /** Of the body; absent: `text/plain`. */
  readonly contentType?: string;
  /** To a gRPC request; absent: what stands for the status. */
  readonly grpcStatus?: number;
}

export type Verdict = undefined | 'wait' | LocalReply;

export interface ClusterFacts {
  readonly name: string;
  readonly metadata: Metadata | undefined;
  /** Whether its endpoints are the hosts that requests name. */
  readonly isDynamic?: boolean;
}

export interface EndpointFacts {
  readonly address: string;
  readonly metadata: Metadata | undefined;
  readonly hostname: string;
  /** Whether connections to it are TLS with a certificate of ours. */
  readonly mutualTls: boolean;
}

/**
 * One request and its response on their way. Owned by the connection it came on; not to be kept
 * after `onEnd`.
 */
export interface Exchange extends AccessRecord, RouteRequest {
  requestHeaders: HeaderList;
  responseHeaders: HeaderList;
  method: string;
  path: string;
  authority: string;
  scheme: string;
  /** Whether the client showed a certificate, and whether it was verified. */
  readonly peerPresented: boolean;
  readonly peerValidated: boolean;
  /** Undefined before routing, and where nothing matched. */
  readonly route: CompiledRoute | undefined;
  readonly cluster: ClusterFacts | undefined;
  readonly endpoint: EndpointFacts | undefined;
  /** Whether this listener stands before the workload (inbound) or behind it. */
  readonly direction: Direction;
  /** What filters keep about this request, each in the slot it was given. */
  readonly slots: unknown[];
  /** Goes on after a hook said `'wait'`; with a reply, ends instead. Nothing happens when the exchange has ended. */
  resume(reply?: LocalReply): void;
  /** Keeps the head of the response back until its end; called when the head is there. Nothing of the body may go on then. */
  holdResponse(): void;
  /** Ends it with a reply of our own, after which the client cannot go on. */
  refuse(reply: LocalReply): void;
}

export type Direction = 'inbound' | 'outbound' | 'unspecified';

export interface HttpFilter {
  /**
   * The route was found, if there is one; nothing was done about it. Requests without a route come too.
   * May change the request's fields.
   */
  onRequestHead?(exchange: Exchange): Verdict;
  /** An endpoint was chosen, at each attempt anew; the head has not been sent to it. */
  onUpstream?(exchange: Exchange): void;
  /** A piece of the body; it is gone after the call. @returns what goes on in its place; nothing: the piece itself. */
  onRequestData?(exchange: Exchange, data: Buffer): Buffer | undefined;
  onRequestTrailers?(exchange: Exchange, trailers: HeaderList): void;
  /** The head of the response, local replies too, in reverse order of the request's hooks. */
  onResponseHead?(exchange: Exchange): void;
  /** As {@link HttpFilter.onRequestData}. */
  onResponseData?(exchange: Exchange, data: Buffer): Buffer | undefined;
  /** May change the list. @returns data that goes out before the trailers, or in their place where it empties the list. */
  onResponseTrailers?(exchange: Exchange, trailers: HeaderList): Buffer | undefined;
  /** The response is complete, and its head, which was held, goes out: it may still be changed. */
  onHeldResponse?(exchange: Exchange): void;
  /** The record is complete. Comes once for each exchange whose head was seen. */
  onEnd?(exchange: Exchange): void;
}

/** A connection without HTTP, when it has ended. */
export interface ConnectionFacts extends AccessRecord {
  readonly direction: Direction;
  readonly cluster: ClusterFacts | undefined;
  readonly endpoint: EndpointFacts | undefined;
}

/** A filter of connections without HTTP that stands before `tcp_proxy`. */
export interface ConnectionFilter {
  /** When the upstream was chosen. */
  onOpen?(connection: ConnectionFacts): void;
  onEnd?(connection: ConnectionFacts): void;
}

export interface FilterDeps {
  readonly metrics: MetricRegistry;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly direction: Direction;
  /** `stat_prefix` of the connection manager. */
  readonly statPrefix: string;
  /** The slot of {@link Exchange.slots} that is this filter's. */
  readonly slot: number;
  /** Addresses of a host name; rejects when it has none. */
  resolve(host: string): Promise<readonly string[]>;
}

/** How far a filter may be trusted with what comes in (Envoy's `status` and `security_posture`). */
export interface FilterStanding {
  readonly stability: 'stable' | 'alpha';
  readonly trust: 'hostile-downstream' | 'hostile-both' | 'trusted-only';
}

export interface FilterDefinition<Desc extends DescMessage> extends FilterStanding {
  /** Name of the folder. */
  readonly kind: string;
  readonly schema: Desc;
  create(config: MessageShape<Desc>, path: string, deps: FilterDeps): Parsed<HttpFilter>;
  /** As a network filter; absent where there is no such thing. */
  createForConnections?(config: MessageShape<Desc>, path: string, deps: FilterDeps): Parsed<ConnectionFilter>;
}

/** A filter with its configuration type hidden, so that the catalogue can list them all. */
export interface CataloguedFilter extends FilterStanding {
  readonly kind: string;
  readonly typeName: string;
  load(config: Any, path: string, deps: FilterDeps): Parsed<HttpFilter>;
  readonly loadForConnections:
    | ((config: Any, path: string, deps: FilterDeps) => Parsed<ConnectionFilter>)
    | undefined;
}
