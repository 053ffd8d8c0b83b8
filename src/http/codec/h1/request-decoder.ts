/** Requests of HTTP/1 from bytes. */
import { mark } from '../../header-name.ts';
import { joinRepeated } from '../../repeated-field.ts';
import { body, Decoder, type DecoderEvents, type DecoderLimits, defaultLimits } from './decoder.ts';
import { type Fault, faults } from './fault.ts';
import { isAuthority, isKnownMethod, RequestTarget } from './request-target.ts';
import { RequestLine } from './start-line.ts';

/** What requests may be, as Envoy's `Http1ProtocolOptions` say. */
export interface RequestRules extends DecoderLimits {
  /** Versions below HTTP/1.1; absent: refused. */
  readonly takesHttp10?: boolean;
  /** Methods that are not known; absent: refused. */
  readonly takesAnyMethod?: boolean;
  /** Whether a URL as target stays as it is; absent: it is taken apart. */
  readonly keepsUrl?: boolean;
  /** Whether a URL of https is out of place, as the connection is in the clear. */
  readonly refusesHttps?: boolean;
  /** Names with an underscore; absent: as any other. */
  readonly underscores?: 'allow' | 'reject' | 'drop';
  /** Protocols in `upgrade` that are not asked for, whatever the client says. */
  readonly ignoresUpgrade?: ((value: string) => boolean) | undefined;
}

export class RequestDecoder extends Decoder {
  method = '';
  /** Path and query; the target as it was sent where it is no URL that is taken apart; '' for CONNECT. */
  target = '';
  /** As the target names it, or else `host`; '' for none. */
  host = '';
  /** Of a URL as target, lower case; '' for none. */
  scheme = '';
  /** How many fields were left out for their names. */
  dropped = 0;
  /** The protocol asked for, '' for none; h2c is never changed to (RFC 9113 §3.1). */
  upgrade = '';
  readonly #rules: RequestRules;
  readonly #line = new RequestLine();
  readonly #target = new RequestTarget();
  #goodHost = '';

  constructor(events: DecoderEvents, rules: RequestRules = defaultLimits) {
    super(events, rules, true);
    this.#rules = rules;
  }

  protected override readStart(text: string): number | Fault {
    const line = this.#line;
    const fault = line.read(text);
    if (fault !== undefined) return fault;
    this.method = line.method;
    this.minor = line.minor;
    return line.end;
  }

  protected override frame(): Fault | undefined {
    const { fields, method } = this;
    const rules = this.#rules;
    joinRepeated(this.headers, 'request');
    if (!isKnownMethod(method) && rules.takesAnyMethod !== true) return faults.method;
    if (this.minor === 0 && rules.takesHttp10 !== true) return faults.oldVersion;
    const fault = this.checkFraming() ?? this.#readTarget();
    if (fault !== undefined) return fault;
    this.keepAlive = this.readKeepAlive();
    this.#readUpgrade();
    if (method === 'CONNECT') {
      // Bytes after the head of a CONNECT belong to the tunnel (RFC 9112 §3.2.3).
      if (fields.chunked) return faults.transferEncoding;
      if (fields.contentLength > 0) return faults.connectBody;
      this.body = body.opaque;
    } else if (this.upgrade !== '') this.body = body.opaque;
    else if (fields.chunked) this.body = body.chunked;
    else this.body = fields.contentLength > 0 ? body.length : body.none;
    // With an upgrade it goes on as it is, and drops nothing.
    if (fields.badConnection && this.upgrade === '') return faults.connection;
    return rules.underscores === undefined || rules.underscores === 'allow'
      ? undefined
      : this.#checkUnderscores(rules.underscores);
  }

  #readTarget(): Fault | undefined {
    const { fields } = this;
    const target = this.#line.target;
    this.host = fields.host;
    this.scheme = '';
    if (target.charCodeAt(0) === 0x2f && this.method !== 'CONNECT') this.target = target;
    else {
      const parts = this.#target;
      const fault = parts.read(target, this.method, this.#rules.keepsUrl !== true);
      if (fault !== undefined) return fault;
      this.target = parts.path;
      this.scheme = parts.scheme;
      if (parts.scheme === 'https' && this.#rules.refusesHttps === true) return faults.httpsUrl;
      if (parts.authority !== '') {
        this.host = parts.authority;
        this.marks |= mark.host;
        return undefined;
      }
    }
    if (this.host === this.#goodHost) return undefined;
    if (!isAuthority(this.host)) return faults.authority;
    this.#goodHost = this.host;
    return undefined;
  }

  #readUpgrade(): void {
    const { upgrade } = this.fields;
    this.upgrade = upgrade;
    if (upgrade === '') return;
    if (upgrade.toLowerCase() === 'h2c' || this.#rules.ignoresUpgrade?.(upgrade) === true) this.upgrade = '';
  }

  #checkUnderscores(action: 'reject' | 'drop'): Fault | undefined {
    const { headers } = this;
    this.dropped = 0;
    let to = 0;
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i]!.includes('_')) continue;
      headers[to] = headers[i]!;
      headers[to + 1] = headers[i + 1]!;
      to += 2;
    }
    if (to === headers.length) return undefined;
    if (action === 'reject') return faults.underscore;
    this.dropped = (headers.length - to) / 2;
    headers.length = to;
    return undefined;
  }

  /** Whether data, or the end of a tunnel, follows the head read last. */
  get hasBody(): boolean {
    return this.body !== body.none;
  }

  /** Values of `connection`, joined, '' for none. */
  get connection(): string {
    return this.fields.connection;
  }
}
