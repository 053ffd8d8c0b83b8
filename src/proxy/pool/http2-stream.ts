/** One request on an HTTP/2 connection to an endpoint. To the router it looks like HTTP/1.1: an upgrade is an extended CONNECT (RFC 8441). */
import { lastOfKind } from '#core/last-of-kind.ts';
import { errorCode } from '#http/codec/h2/frame.ts';
import type { HeaderBlock } from '#http/codec/h2/header-block.ts';
import type { H2Stream, H2StreamHandler, ResetCause } from '#http/codec/h2/stream.ts';
import { type HeaderList, withoutUpgrade } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import { joinRepeated } from '#http/repeated-field.ts';
import type { Endpoint } from '../cluster/endpoint.ts';
import type { TlsPeer } from '../tls/context.ts';
import type {
  IncomingResponse,
  OutgoingRequest,
  ResetReason,
  ResponseHandler,
  UpstreamStream,
} from './contract.ts';
import type { Http2Connection } from './http2-connection.ts';

const OK = 200;
const SWITCHING_PROTOCOLS = 101;

const reasons: Readonly<Record<ResetCause, ResetReason>> = {
  peer: 'UPSTREAM_REMOTE_RESET',
  refused: 'UPSTREAM_REFUSED_STREAM',
  connection: 'UPSTREAM_RESET',
  message: 'UPSTREAM_PROTOCOL_ERROR',
  stalled: 'UPSTREAM_RESET',
  handler: 'UPSTREAM_RESET',
};

export class Http2Stream implements UpstreamStream, IncomingResponse, H2StreamHandler {
  readonly major = 2;
  readonly connection = '';
  readonly rawNames = undefined;
  status = 0;
  headers: HeaderList = [];
  marks = 0;
  contentLength = -1;
  endStream = false;
  /** Whether the connection owes it {@link readDone}; the connection's own. */
  touched = false;
  readonly #owner: Http2Connection;
  readonly #stream: H2Stream;
  #handler: ResponseHandler | undefined;
  #upgrade = '';

  constructor(owner: Http2Connection) {
    this.#owner = owner;
    this.#stream = owner.open(this);
  }

  get endpoint(): Endpoint {
    return this.#owner.endpoint;
  }

  get peer(): TlsPeer {
    return this.#owner.peer;
  }

  get remoteAddress(): string {
    return this.#owner.remoteAddress;
  }

  get localAddress(): string {
    return this.#owner.localAddress;
  }

  // --- what the router says

  begin(handler: ResponseHandler): void {
    this.#handler = handler;
  }

  sendHead(request: OutgoingRequest, endStream: boolean): void {
    const { method, scheme, authority, path, upgrade, requestHeaders } = request;
    const stream = this.#stream;
    this.#upgrade = upgrade;
    if (upgrade !== '') {
      const headers = withoutUpgrade(requestHeaders);
      stream.sendRequest('CONNECT', scheme, authority, path, upgrade, headers, endStream);
    } else if (method === 'CONNECT') {
      stream.sendRequest(method, '', authority, '', '', requestHeaders, endStream);
    } else stream.sendRequest(method, scheme, authority, path, '', requestHeaders, endStream);
  }

  sendData(data: Buffer): void {
    this.#stream.sendData(data, false);
  }

  sendEnd(trailers: HeaderList): void {
    if (trailers.length === 0) this.#stream.end();
    else this.#stream.sendTrailers(trailers);
  }

  /** The connection writes at the end of the tick. */
  flush(): void {}

  get full(): boolean {
    return this.#stream.full;
  }

  pause(): void {
    this.#stream.pause();
  }

  resume(): void {
    this.#stream.resume();
  }

  reset(): void {
    this.#handler = undefined;
    if (this.#stream.closed) return;
    this.#owner.stats.upstream_rq_tx_reset.inc();
    this.#stream.reset(errorCode.internalError);
  }

  // --- what the codec says

  onHead(block: HeaderBlock, endStream: boolean): void {
    const handler = this.#handler;
    if (handler === undefined) return;
    const isTunnel = this.#upgrade !== '' && block.status === OK;
    this.status = isTunnel ? SWITCHING_PROTOCOLS : block.status;
    this.headers = block.headers;
    joinRepeated(this.headers, 'response');
    this.marks = block.marks;
    if (isTunnel) {
      this.headers.push('connection', 'upgrade', 'upgrade', this.#upgrade);
      this.marks |= mark.connection | mark.upgrade;
    }
    this.contentLength = block.contentLength;
    this.endStream = endStream;
    handler.onResponseHead(this);
    if (endStream) this.#end();
    else this.#owner.touch(this);
  }

  onData(data: Buffer, endStream: boolean): void {
    const handler = this.#handler;
    if (handler === undefined) return;
    if (data.length > 0) handler.onResponseData(data);
    if (endStream) this.#end();
    else this.#owner.touch(this);
  }

  onTrailers(block: HeaderBlock): void {
    this.#handler?.onResponseTrailers(block.headers);
    this.#end();
  }

  #end(): void {
    lastOfKind.http2Upstream = this;
    const handler = this.#handler;
    this.#handler = undefined;
    handler?.onResponseEnd();
    // An answer that did not wait for the whole request: the rest is of no use.
    if (!this.#stream.ended) this.reset();
  }

  onReset(_code: number, cause: ResetCause, details: string): void {
    const handler = this.#handler;
    this.#handler = undefined;
    if (handler === undefined) return;
    // A connection that broke no rule has ended, and nothing more is known.
    const reason = cause === 'connection' && details !== '' ? 'UPSTREAM_PROTOCOL_ERROR' : reasons[cause];
    const { stats } = this.#owner;
    if (reason === 'UPSTREAM_PROTOCOL_ERROR') stats.upstream_rq_tx_reset.inc();
    else if (reason === 'UPSTREAM_REMOTE_RESET') stats.upstream_rq_rx_reset.inc();
    else if (reason === 'UPSTREAM_RESET') stats.upstream_rq_pending_failure_eject.inc();
    handler.onUpstreamReset(reason);
  }

  onDrain(): void {
    this.#handler?.onUpstreamDrain();
  }

  /** The bytes of one read are through. */
  readDone(): void {
    this.touched = false;
    this.#handler?.onReadDone();
  }
}
