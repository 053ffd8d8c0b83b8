/**
 * One request on a downstream HTTP/2 connection: what its exchange speaks to, and what the codec
 * tells. To the exchange it is a request of HTTP/1.1: an extended CONNECT is an upgrade (RFC 8441).
 */
import { lastOfKind } from '#core/last-of-kind.ts';
import { errorCode } from '#http/codec/h2/frame.ts';
import type { HeaderBlock } from '#http/codec/h2/header-block.ts';
import type { H2Stream, H2StreamHandler, ResetCause } from '#http/codec/h2/stream.ts';
import { type HeaderList, withoutUpgrade } from '#http/header-list.ts';
import { mark } from '#http/header-name.ts';
import { joinRepeated } from '#http/repeated-field.ts';
import type { StreamAccount } from '../../overload/stream-accounts.ts';
import type { DownstreamStream, RequestHead, ResponseHead } from '../downstream-stream.ts';
import { HttpExchange } from '../exchange.ts';
import type { DownstreamFacts } from '../runtime.ts';
import { dropUnderscored } from '../underscores.ts';
import { asksUpgrade, isConnectionFailure } from '../upgrade.ts';
import type { Http2ServerConnection } from './server-connection.ts';

const OK = 200;
const SWITCHING_PROTOCOLS = 101;
/** Copying so much costs less than memory of its own. */
const COPIED_BYTES = 16 * 1024;

export class RequestStream implements DownstreamStream, RequestHead, H2StreamHandler, StreamAccount {
  readonly major = 2;
  readonly minor = 1;
  readonly connection = '';
  readonly rawNames = undefined;
  method = '';
  target = '';
  host = '';
  scheme = '';
  headers: HeaderList = [];
  marks = 0;
  hasBody = false;
  takesBody = false;
  keepsData = false;
  upgrade = '';
  readonly #owner: Http2ServerConnection;
  readonly #stream: H2Stream;
  #exchange: HttpExchange | undefined;
  #over = false;

  constructor(owner: Http2ServerConnection, stream: H2Stream) {
    this.#owner = owner;
    this.#stream = stream;
  }

  get facts(): DownstreamFacts {
    return this.#owner.facts;
  }

  // --- what the codec says

  onHead(block: HeaderBlock, endStream: boolean): void {
    this.headers = block.headers;
    if (this.#owner.runtime.settings.underscores !== 'allow' && !this.#passesUnderscores()) return;
    joinRepeated(this.headers, 'request');
    this.marks = block.marks;
    this.host = block.authority;
    this.scheme = block.scheme;
    this.hasBody = !endStream;
    if (block.method === 'CONNECT' && block.protocol !== '') {
      this.method = 'GET';
      this.upgrade = block.protocol;
      this.target = block.path;
      this.headers.push('connection', 'upgrade', 'upgrade', block.protocol);
      this.marks |= mark.connection | mark.upgrade;
    } else {
      this.method = block.method;
      this.target = block.path;
    }
    const exchange = new HttpExchange(this, this.#owner.runtime);
    this.#exchange = exchange;
    exchange.startTimers();
    exchange.start(this);
    if (endStream) exchange.onRequestEnd();
    exchange.flushUpstream();
  }

  /** Fields with underscores are gone after it. @returns whether the request may go on */
  #passesUnderscores(): boolean {
    const { runtime } = this.#owner;
    const count = dropUnderscored(this.headers);
    const { dropped, rejected } = runtime.stats.underscores[2];
    if (count === 0 || runtime.settings.underscores === 'drop') {
      dropped.inc(count);
      return true;
    }
    rejected.inc();
    this.#over = true;
    new HttpExchange(this, runtime).onDownstreamGone('DR', 'http2.unexpected_underscore');
    this.#stream.reset(errorCode.internalError);
    return false;
  }

  onData(data: Buffer, endStream: boolean): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    if (data.length > 0) exchange.onRequestData(data);
    if (endStream) exchange.onRequestEnd();
    exchange.flushUpstream();
  }

  onTrailers(block: HeaderBlock): void {
    const exchange = this.#exchange;
    if (exchange === undefined) return;
    exchange.onRequestTrailers(block.headers);
    exchange.onRequestEnd();
    exchange.flushUpstream();
  }

  onReset(_code: number, cause: ResetCause, details: string): void {
    let exchange = this.#exchange;
    // A request that fails before its head is complete is one, too.
    if (exchange === undefined && !this.#over) exchange = new HttpExchange(this, this.#owner.runtime);
    this.#exchange = undefined;
    this.#over = true;
    // Whether the client has read all of it is not what the answer was.
    if (cause === 'stalled') exchange?.onDownstreamSent();
    // A connection that broke no rule has ended, and nothing more is known.
    else if (cause === 'connection' && details === '') exchange?.onDownstreamGone();
    else if (cause === 'message' || cause === 'connection') exchange?.onDownstreamGone('DPE', details);
    else exchange?.onDownstreamGone('DR', details);
  }

  get heldBytes(): number {
    const { paused, uncreditedBytes, queuedBytes } = this.#stream;
    return queuedBytes + (paused ? uncreditedBytes : 0);
  }

  /** Holds too much. */
  reset(): void {
    const exchange = this.#exchange;
    this.#exchange = undefined;
    this.#over = true;
    this.#stream.reset(errorCode.internalError);
    exchange?.onDownstreamGone('OM', 'overload');
  }

  onEndSent(): void {
    this.#exchange?.onDownstreamSent();
  }

  onDrain(): void {
    this.#exchange?.onDownstreamDrain();
  }

  // --- what the exchange says

  interim(status: number, headers: HeaderList): void {
    this.#stream.sendInterim(status, headers);
  }

  /** An answer that does not wait for the whole request ends its stream. */
  head({ status, headers, endStream, requestMethod, close }: ResponseHead): boolean {
    this.takesBody = !endStream && requestMethod !== 'HEAD';
    this.#owner.onResponse();
    if (status === SWITCHING_PROTOCOLS) {
      this.#stream.sendResponse(OK, withoutUpgrade(headers), endStream);
    } else this.#stream.sendResponse(status, headers, endStream);
    return close;
  }

  data(data: Buffer): void {
    const copied = data.length <= COPIED_BYTES;
    if (!copied) this.keepsData = true;
    this.#stream.sendData(data, false, copied);
  }

  text(text: string): void {
    if (this.takesBody) this.#stream.sendData(Buffer.from(text, 'latin1'), false);
  }

  end(trailers: HeaderList): void {
    if (this.#stream.ended) return;
    if (trailers.length === 0) this.#stream.end();
    else this.#stream.sendTrailers(trailers);
  }

  get unsent(): boolean {
    return this.#stream.unsent;
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

  drain(): void {
    this.#owner.drain();
  }

  renew(): HttpExchange {
    this.#exchange = new HttpExchange(this, this.#owner.runtime);
    return this.#exchange;
  }

  finished(): void {
    lastOfKind.http2Request = this;
    const code = this.#codeOfEnd(-1);
    if (this.#over) return;
    this.#over = true;
    if (code === -1) this.#stream.finish();
    else this.#stream.reset(code);
  }

  abort(): void {
    const code = this.#codeOfEnd(errorCode.internalError);
    if (this.#over) return;
    this.#over = true;
    this.#stream.reset(code);
  }

  /** Leaves the exchange; a tunnel whose connection behind failed ends as such (RFC 9113 §8.5). */
  #codeOfEnd(otherwise: number): number {
    const flags = this.#exchange?.responseFlags ?? '';
    this.#exchange = undefined;
    return asksUpgrade(this) && isConnectionFailure(flags) ? errorCode.connectError : otherwise;
  }
}
