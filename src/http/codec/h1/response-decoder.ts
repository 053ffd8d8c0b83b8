/** Responses of HTTP/1 from bytes. */
import { removeHeader } from '../../header-list.ts';
import { mark } from '../../header-name.ts';
import { joinRepeated } from '../../repeated-field.ts';
import { body, Decoder, type DecoderEvents, type DecoderLimits, defaultLimits } from './decoder.ts';
import { type Fault, faults } from './fault.ts';
import { StatusLine } from './start-line.ts';

export class ResponseDecoder extends Decoder {
  status = 0;
  reason = '';
  /** Method of the request this answers; set it before the answer is read. */
  requestMethod = 'GET';
  /** Whether that request asked for another protocol. */
  upgradeAsked = false;
  readonly #line = new StatusLine();

  constructor(events: DecoderEvents, limits: DecoderLimits = defaultLimits) {
    super(events, limits, false);
  }

  protected override readStart(text: string): number | Fault {
    const line = this.#line;
    const fault = line.read(text);
    if (fault !== undefined) return fault;
    this.status = line.status;
    this.reason = line.reason;
    this.minor = line.minor;
    return line.end;
  }

  /** RFC 9112 §6.3. */
  protected override frame(): Fault | undefined {
    const { fields, status } = this;
    joinRepeated(this.headers, 'response');
    const fault = this.checkFraming() ?? this.#checkBodyless();
    if (fault !== undefined) return fault;
    this.keepAlive = this.readKeepAlive();
    if (status < 200) {
      if (status === 101) {
        // A protocol that was not asked for, or is not named, cannot be switched to.
        this.body = this.upgradeAsked && fields.upgrade !== '' ? body.opaque : body.none;
        this.keepAlive = false;
        return undefined;
      }
      this.body = body.interim;
      return undefined;
    }
    if (this.requestMethod === 'CONNECT' && status < 300) {
      this.body = body.opaque;
      this.keepAlive = false;
    } else if (this.requestMethod === 'HEAD' || status === 204 || status === 304) this.body = body.none;
    else if (fields.chunked) this.body = body.chunked;
    else if (this.contentLength === 0) this.body = body.none;
    else if (this.contentLength > 0) this.body = body.length;
    else {
      this.body = body.untilClose;
      this.keepAlive = false;
    }
    return undefined;
  }

  /** A response that has no body must not say how long it is (RFC 9110 §8.6); a length of nothing is let go. */
  #checkBodyless(): Fault | undefined {
    const { fields, status } = this;
    if (status >= 200 && status !== 204) return undefined;
    if ((fields.marks & mark.transferEncoding) !== 0 || fields.contentLength > 0)
      return faults.bodyNotAllowed;
    if (fields.contentLength === 0) {
      removeHeader(fields.fields, 'content-length');
      this.contentLength = -1;
    }
    return undefined;
  }

  get connection(): string {
    return this.fields.connection;
  }

  /** Whether neither data nor trailers follow the head read last. */
  get endStream(): boolean {
    return this.body === body.none;
  }
}
