/**
 * What an HTTP filter is. One object serves all requests of a listener; what it keeps about one
 * request it puts into the exchange. Hooks answer at once: nothing to go on, `'wait'` or `'hold'` to
 * stop, or a reply that ends the matter. Hooks a filter does not have cost nothing.
 */
import type { Transform } from 'node:stream';
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Parsed } from '#core/problem.ts';
import type { TimerWheel } from '#core/timer-wheel.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { AccessRecord, MetadataValue } from '#observe/access-record.ts';
import type { Logger } from '#observe/log.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import type { WantedEndpoint } from '../cluster/wanted-endpoint.ts';
import type { HostCache } from '../dns/cache.ts';
import type { CacheSettings } from '../dns/cache-settings.ts';
import type { DownstreamFacts } from '../hcm/runtime.ts';
import type { RouteFilterDeps, RouteFilterLoader } from '../route/filter-config.ts';
import type { RouteRequest } from '../route/match.ts';
import type { CompiledRoute } from '../route/table.ts';
import type { CoderSpec } from './recoder-library.ts';

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
  /** Whether it goes out as it is, whatever `local_reply_config` and the route say. */
  readonly isUntouched?: boolean;
}

/**
 * What becomes of a head. `'wait'`: nothing more of the message comes to this filter, or to those behind
 * it, before the exchange is resumed; the sender is slowed down meanwhile. `'hold'`: the head stays here
 * until its message is complete, and what this filter lets through of the body is kept; a request that is
 * larger than the limit is answered with 413, a response with 500 (Envoy).
 */
export type Verdict = undefined | 'wait' | 'hold' | LocalReply;

/** A try of a request for which an endpoint was chosen; nothing of it went out. */
export interface AttemptGate {
  /** Goes on after `onAttempt` held it; with a reply, was answered. Nothing happens once it was given up. */
  resume(reply?: LocalReply): void;
}

/** What keeps a try from going on. */
export interface HeldAttempt {
  /** Called once: it went on, was answered, or was given up. */
  release(): void;
}

export type AttemptVerdict = undefined | HeldAttempt | LocalReply;

/** Values of dynamic metadata: what a `google.protobuf.Struct` can hold. */
export type { MetadataValue } from '#observe/access-record.ts';

export interface ClusterFacts {
  readonly name: string;
  readonly metadata: Metadata | undefined;
  /** Whether its endpoints are the hosts that requests name. */
  readonly isDynamic?: boolean;
  /** Of hosts that requests name without a port, where they name endpoints. */
  readonly defaultPort?: number | undefined;
}

export interface EndpointFacts {
  readonly address: string;
  readonly metadata: Metadata | undefined;
  readonly hostname: string;
  /** Whether connections to it are the mutual TLS of the mesh. */
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
  /** Of the connection it came on. */
  readonly facts: DownstreamFacts;
  /** Undefined before routing, and where nothing matched. */
  readonly route: CompiledRoute | undefined;
  readonly cluster: ClusterFacts | undefined;
  readonly endpoint: EndpointFacts | undefined;
  /** Whether this listener stands before the workload (inbound) or behind it. */
  readonly direction: Direction;
  /** What filters keep about this request, each in the slot it was given. */
  readonly slots: unknown[];
  /** What operators say of this proxy. */
  readonly health: Readonly<ServerHealth>;
  /** How many endpoints a cluster has; undefined where there is none of that name. */
  readonly membersOf: (cluster: string) => ClusterMembers | undefined;
  /** Where it is to go if it can; undefined: anywhere. */
  wantedEndpoint: WantedEndpoint | undefined;
  /** Asked whether the proxy is healthy: neither counted among responses nor logged where that is not wanted. */
  isHealthCheck: boolean;
  /** For timers; what a filter arms it disarms in `onEnd`. */
  readonly wheel: TimerWheel;
  /** One of Envoy's flags, for the access log. */
  addFlag(flag: string): void;
  /** Bytes of a request, and of a response, that are kept where a filter holds it. */
  bufferLimitBytes: number;
  /** Goes on after `onRequestHead` said `'wait'`; with a reply, ends instead. Nothing happens when the request went on or has ended. */
  resume(reply?: LocalReply): void;
  /** The same after `onResponseHead`, `onResponseComplete` or `onResponseEnd`. */
  resumeResponse(reply?: LocalReply): void;
  /** Data of the response in the place of what the filter with this slot took away; goes to the filters after it. */
  injectResponseData(slot: number, data: Buffer): void;
  /** Whether no more of the response should come for now. */
  pauseResponse(paused: boolean): void;
  /** The same of the request, and its filters after the one with this slot. */
  injectRequestData(slot: number, data: Buffer): void;
  pauseRequest(paused: boolean): void;
  /** Goes on after `onRequestEnd` said `'wait'`. */
  resumeRequestEnd(): void;
  /** More of them, from `onRequestEnd` or `onResponseEnd`, or while these wait. @param list name, value, name, value, and so on. */
  addRequestTrailers(list: HeaderList): void;
  addResponseTrailers(list: HeaderList): void;
  /** Ends it with a reply of our own, after which the client cannot go on. */
  refuse(reply: LocalReply): void;
  /**
   * Asks for the virtual host of a request without a route, where its table has them one by one: it says `'wait'`
   * then, and goes on by itself. @returns forgets the request; undefined: there is nothing to wait for
   */
  awaitHost(): (() => void) | undefined;
  /** The route is looked for again, by the request as it is when it is next asked for. */
  clearRoute(): void;
  /** What the route table says of a filter, by the most specific level; undefined where it says nothing. */
  routeConfig(filterName: string): unknown;
  /** The same of all levels, the least specific first. */
  routeConfigs(filterName: string): readonly unknown[];
  /** Adds to, or replaces, dynamic metadata, key by key. */
  setMetadata(namespace: string, fields: Readonly<Record<string, MetadataValue>>): void;
}

/** Of the whole process. */
export interface ServerHealth {
  /** Whether it is to fail every check (`/healthcheck/fail`). */
  failed: boolean;
}

export interface ClusterMembers {
  readonly total: number;
  readonly healthy: number;
}

export type Direction = 'inbound' | 'outbound' | 'unspecified';

export interface HttpFilter {
  /**
   * The route was found, if there is one; nothing was done about it. Requests without a route come too.
   * May change the request's fields.
   */
  onRequestHead?(exchange: Exchange, endStream: boolean): Verdict;
  /** Each attempt, before it asks for a connection. A reply stands for the response of the endpoint, and may be retried. */
  onAttempt?(exchange: Exchange, attempt: AttemptGate): AttemptVerdict;
  /** An endpoint was chosen, at each attempt anew; the head has not been sent to it. */
  onUpstream?(exchange: Exchange): void;
  /** A piece of the body; it is gone after the call. @returns what goes on in its place; nothing: the piece itself. */
  onRequestData?(exchange: Exchange, data: Buffer): Buffer | undefined;
  onRequestTrailers?(exchange: Exchange, trailers: HeaderList): void;
  /** Nothing more comes; trailers follow when this has let them. `'wait'`: the end stays here until it is resumed. */
  onRequestEnd?(exchange: Exchange): undefined | 'wait';
  /** A request that this filter holds has come to its end. @param bodyBytes kept of it */
  onRequestComplete?(exchange: Exchange, bodyBytes: number): Verdict;
  /** The head of the response, local replies too, in reverse order of the request's hooks. A reply comes in its place, and no filter sees it. */
  onResponseHead?(exchange: Exchange, endStream: boolean): Verdict;
  /** As {@link HttpFilter.onRequestData}. */
  onResponseData?(exchange: Exchange, data: Buffer): Buffer | undefined;
  /** May change the list. @returns data that goes out before the trailers, or in their place where it empties the list. */
  onResponseTrailers?(exchange: Exchange, trailers: HeaderList): Buffer | undefined;
  /** Nothing more comes, after the trailers too. `'wait'`: the end stays here until the response is resumed. */
  onResponseEnd?(exchange: Exchange): undefined | 'wait';
  /** A response that this filter holds has come to its end: its head may still be changed. */
  onResponseComplete?(exchange: Exchange, bodyBytes: number): Verdict;
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

/** Makes what compresses or decompresses, on threads of the runtime. */
export type CreateCoder = (spec: CoderSpec) => Transform;

export interface FilterDeps extends RouteFilterDeps {
  readonly log: Logger;
  readonly direction: Direction;
  /** `stat_prefix` of the connection manager. */
  readonly statPrefix: string;
  /** `--service-cluster`; '' where it is not known. */
  readonly nodeCluster: string;
  /** The slot of {@link Exchange.slots} that is this filter's, and its place in the chain. */
  readonly slot: number;
  /** Of the filter in its chain: by it the route table has configurations of its own. */
  readonly name: string;
  readonly createCoder: CreateCoder;
  /** As `DataPathDeps` has it. */
  hostCache?(settings: CacheSettings): HostCache | undefined;
}

/** How far a filter may be trusted with what comes in (Envoy's `status` and `security_posture`). */
export interface FilterStanding {
  readonly stability: 'stable' | 'alpha';
  readonly trust: 'hostile-downstream' | 'hostile-both' | 'trusted-only';
}

/** What a part of the route table says of a filter. */
export interface RouteFilterDefinition<Desc extends DescMessage> {
  readonly schema: Desc;
  /** What {@link Exchange.routeConfig} gives. */
  create(config: MessageShape<Desc>, path: string, deps: RouteFilterDeps): Parsed<unknown>;
}

export interface FilterDefinition<Desc extends DescMessage, RouteDesc extends DescMessage = DescMessage>
  extends FilterStanding {
  /** Name of the folder. */
  readonly kind: string;
  readonly schema: Desc;
  create(config: MessageShape<Desc>, path: string, deps: FilterDeps): Parsed<HttpFilter>;
  /** Absent where the route table has nothing to say of it. */
  readonly route?: RouteFilterDefinition<RouteDesc>;
  /** As a network filter; absent where there is no such thing. */
  createForConnections?(config: MessageShape<Desc>, path: string, deps: FilterDeps): Parsed<ConnectionFilter>;
}

/** A filter with its configuration type hidden, so that the catalogue can list them all. */
export interface CataloguedFilter extends FilterStanding, RouteFilterLoader {
  readonly kind: string;
  load(config: Any, path: string, deps: FilterDeps): Parsed<HttpFilter>;
  readonly loadForConnections:
    | ((config: Any, path: string, deps: FilterDeps) => Parsed<ConnectionFilter>)
    | undefined;
}
