/** What a router knows of the connections to an endpoint, whatever they speak. */
import type { RawNames } from '#http/codec/h1/header-case.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { TlsPeer } from '../tls/context.ts';
import type { ConnectFailure } from './connect.ts';

export type ResetReason =
  | 'UPSTREAM_RESET'
  | 'UPSTREAM_PROTOCOL_ERROR'
  /** RST_STREAM from the other side. */
  | 'UPSTREAM_REMOTE_RESET'
  /** The other side had not begun with it: safe to send again (RFC 9113 §8.7). */
  | 'UPSTREAM_REFUSED_STREAM';

export type PoolFailure = ConnectFailure | 'OVERLOADED';

/** The head of a request on its way upstream. */
export interface OutgoingRequest {
  readonly method: string;
  readonly path: string;
  readonly authority: string;
  readonly scheme: string;
  readonly requestHeaders: HeaderList;
  /** Protocol asked for instead (`websocket`); '' for none. */
  readonly upgrade: string;
  /** How HTTP/1 writes the names, where the client's form is kept. */
  readonly requestNames: RawNames | undefined;
}

/** The head of a response as a codec read it, in the form of HTTP/1.1. */
export interface IncomingResponse {
  readonly status: number;
  /** Belongs to who is told. */
  readonly headers: HeaderList;
  /** Or-ed marks of `#http/header-name.ts`. */
  readonly marks: number;
  /** Values of `connection`, joined; '' for none. */
  readonly connection: string;
  /** -1: not known. */
  readonly contentLength: number;
  /** Whether nothing follows. */
  readonly endStream: boolean;
  /** Names of the fields as they were written, where that is kept. */
  readonly rawNames: RawNames | undefined;
}

/** Who sent the request that is on a stream. */
export interface ResponseHandler {
  /** Interim responses (1xx) too. */
  onResponseHead(head: IncomingResponse): void;
  /** @param data may be written over once {@link ResponseHandler.keepsData} is false after the call */
  onResponseData(data: Buffer): void;
  onResponseTrailers(trailers: HeaderList): void;
  /** The stream is done with: it belongs to its pool again. */
  onResponseEnd(): void;
  /** Nothing comes any more; the stream is gone. */
  onUpstreamReset(reason: ResetReason): void;
  /** What was written has gone out. */
  onUpstreamDrain(): void;
  /** Bytes of one read are through: what was gathered should be written. */
  onReadDone(): void;
  /** Whether data it was given may still be referred to. */
  readonly keepsData: boolean;
}

/** One request's place on a connection to an endpoint. */
export interface UpstreamStream {
  readonly endpoint: Endpoint;
  readonly peer: TlsPeer;
  readonly localAddress: string;
  /** Where it leads to: an address of the endpoint. */
  readonly remoteAddress: string;
  /** Version of HTTP; 0 for a plain connection. */
  readonly major: 0 | 1 | 2;
  /** Who is told from now on. */
  begin(handler: ResponseHandler): void;
  /** @param endStream whether neither body nor trailers follow. */
  sendHead(request: OutgoingRequest, endStream: boolean): void;
  sendData(data: Buffer): void;
  /** The request is complete, with trailers; an empty list for none. */
  sendEnd(trailers: HeaderList): void;
  /** What was gathered goes out; otherwise it does at the end of the tick. */
  flush(): void;
  /** Whether more should wait for `onUpstreamDrain`. */
  readonly full: boolean;
  /** Reading of the response. */
  pause(): void;
  resume(): void;
  /** Gives the request up. The handler is not called. */
  reset(): void;
}

/** A request that wants a stream. */
export interface PoolClient {
  /** It is counted among the requests of the cluster's circuit breaker: who gets it releases that. */
  onPoolReady(stream: UpstreamStream): void;
  /** @param reason for the access log, such as `delayed connect error: Connection refused`. */
  onPoolFailure(failure: PoolFailure, reason: string): void;
}

/** The connections to one endpoint that speak one protocol. */
export interface ConnectionPool {
  /** Calls back at once where a connection has room. */
  request(client: PoolClient): void;
  /** The client no longer waits. */
  cancel(client: PoolClient): void;
  /**
   * Makes a connection for requests that may come.
   *
   * @param ratio how many requests to be ready for, for each that there is
   * @returns whether it did
   */
  prepare(ratio: number): boolean;
  /** What is idle ends now, what is busy when it is done. */
  drain(): void;
  /** Everything ends now. */
  close(): void;
}
