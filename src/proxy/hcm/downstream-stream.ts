/**
 * What an exchange knows of the connection it came on: one request's place on it, whatever the
 * version of HTTP. An HTTP/1 connection has one such place, an HTTP/2 connection one a stream.
 */
import type { RawNames } from '#http/codec/h1/header-case.ts';
import type { HeaderList } from '#http/header-list.ts';
import type { HttpExchange } from './exchange.ts';
import type { DownstreamFacts } from './runtime.ts';

/** The head of a request as a codec read it, in the form of HTTP/1.1 (an extended CONNECT is an upgrade). */
export interface RequestHead {
  readonly method: string;
  /** Request target as sent; '' for CONNECT over HTTP/2. */
  readonly target: string;
  /** `host` or `:authority`; '' for none. */
  readonly host: string;
  /** `:scheme`; '' where the version has none. */
  readonly scheme: string;
  /** Belongs to the exchange from now on. */
  readonly headers: HeaderList;
  /** Or-ed marks of `#http/header-name.ts`. */
  readonly marks: number;
  /** Values of `connection`, joined; '' for none. */
  readonly connection: string;
  /** Minor version of HTTP/1. */
  readonly minor: number;
  readonly hasBody: boolean;
  /** Protocol the client wants instead, such as `websocket`; '' for none. */
  readonly upgrade: string;
  /** Names of the fields as they were written, where that is kept. */
  readonly rawNames: RawNames | undefined;
}

export interface ResponseHead {
  readonly status: number;
  readonly headers: HeaderList;
  readonly requestMethod: string;
  /** Minor version of the request. */
  readonly minor: number;
  /** As it stands in the list; -1 where it does not. */
  readonly contentLength: number;
  /** Whether nothing follows. */
  readonly endStream: boolean;
  /** Whether bytes without framing follow: a tunnel (CONNECT, 101). */
  readonly opaque: boolean;
  /** How HTTP/1 writes the names, where the upstream's form is kept. */
  readonly rawNames: RawNames | undefined;
  /** Whether this request must be the last on its connection (HTTP/1). */
  readonly close: boolean;
}

export interface DownstreamStream {
  readonly facts: DownstreamFacts;
  /** Version of HTTP. */
  readonly major: 1 | 2;
  /** Sends a head with a status below 200 that is not the answer. */
  interim(status: number, headers: HeaderList): void;
  /** @returns whether the connection ends with this response. */
  head(head: ResponseHead): boolean;
  /** Whether the response that was begun has a body. */
  readonly takesBody: boolean;
  data(data: Buffer): void;
  /** A whole body as a byte string. */
  text(text: string): void;
  /** The end, with trailers; an empty list for none. */
  end(trailers: HeaderList): void;
  /** Whether the end of the response waits for the client (HTTP/2): `onDownstreamSent` is called then. */
  readonly unsent: boolean;
  /** What was gathered goes out; otherwise it does at the end of the tick. */
  flush(): void;
  /** Whether data it was given may still be referred to. */
  readonly keepsData: boolean;
  /** Whether more should wait for `onDownstreamDrain`. */
  readonly full: boolean;
  /** Reading of the request's body. */
  pause(): void;
  resume(): void;
  /** What comes after this exchange on its connection is not to be trusted: the connection ends when it may. */
  drain(): void;
  /** Another exchange takes the place of this one, which has ended without an answer. */
  renew(): HttpExchange;
  /** The exchange is over, in good order. @param close whether no other request may follow (HTTP/1). */
  finished(close: boolean): void;
  /** The exchange is over, its response is not complete, and the client must see that. */
  abort(): void;
}

/** A downstream connection to the listener that accepted it. */
export interface HttpServerConnection {
  /** Ends it when idle; a busy one ends with what is under way. */
  drain(): void;
  destroy(): void;
}
