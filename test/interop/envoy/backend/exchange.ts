/** How a case has a backend answer. */
import type { H2Peer } from '../wire/h2-peer.ts';
import type { Tunnel } from './tunnel.ts';

/** One request at a HTTP/1 backend. */
export interface Http1Exchange {
  readonly name: string;
  readonly method: string;
  readonly path: string;
  /** As it came, without the empty line. */
  readonly head: string;
  /** How many requests with this `x-test` came so far. */
  readonly attempt: number;
  header(name: string): string | undefined;
  /** Resolves to the content of the body when all of it is there; never if that does not happen. */
  body(): Promise<string>;
  /** latin1 */
  write(text: string): void;
  /** Ends the side of the connection that answers. */
  end(): void;
  reset(): void;
  /** What comes from now on is not HTTP any more. */
  tunnel(): Tunnel;
  /** Resolves when the client gives its cue. */
  cue(): Promise<void>;
  /** Writes so many bytes, as fast as they are taken. */
  pump(bytes: number): Promise<void>;
}

/** One request at a HTTP/2 backend: anything may be sent, in any order. */
export interface Http2Exchange {
  readonly peer: H2Peer;
  readonly stream: number;
  readonly attempt: number;
  header(name: string): string | undefined;
  /** Resolves when the request has ended. */
  body(): Promise<string>;
  /** Resolves when the client gives its cue. */
  cue(): Promise<void>;
  /** Resolves when so many bytes of body are there. */
  received(bytes: number): Promise<void>;
}

export type Http1Answer = (exchange: Http1Exchange) => void | Promise<void>;
export type Http2Answer = (exchange: Http2Exchange) => void | Promise<void>;
export type TcpAnswer = (tunnel: Tunnel) => void | Promise<void>;

/** A text is what an HTTP/1 backend writes when it has the whole request. */
export type Answers =
  | string
  | { readonly http1: Http1Answer }
  | { readonly http2: Http2Answer }
  | { readonly tcp: TcpAnswer };

export const onHttp1 = (http1: Http1Answer): Answers => ({ http1 });
export const onHttp2 = (http2: Http2Answer): Answers => ({ http2 });
export const onTcp = (tcp: TcpAnswer): Answers => ({ tcp });
