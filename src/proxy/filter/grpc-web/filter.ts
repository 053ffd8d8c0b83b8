/**
 * gRPC-Web to gRPC and back: what a browser can send and read goes upstream as an ordinary call, its
 * trailers come back in the body (gRPC, "gRPC Web"; Envoy, "gRPC-Web").
 */
import type { Parsed } from '#core/problem.ts';
import { encodeGrpcMessage, grpcStatusOf } from '#http/grpc-status.ts';
import { type HeaderList, headerOf, removeHeader, setHeader } from '#http/header-list.ts';
import { GrpcWebSchema } from '#xds/gen/envoy/extensions/filters/http/grpc_web/v3/grpc_web_pb.js';
import type { CataloguedFilter, Exchange, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { Base64Reader, encodeTrailers } from './framing.ts';

const BINARY = 'application/grpc-web';
const TEXT = 'application/grpc-web-text';
const GRPC = 'application/grpc';

/** One call of a browser. */
interface WebCall {
  /** Whether the client wants the response in base64. */
  readonly textResponse: boolean;
  /** Undefined where the request is binary. */
  readonly reader: Base64Reader | undefined;
  /** Whether the response is one of gRPC. */
  isGrpcResponse: boolean;
}

export const grpcWeb: CataloguedFilter = defineFilter({
  kind: 'grpc-web',
  schema: GrpcWebSchema,
  stability: 'stable',
  trust: 'hostile-downstream',
  create(_config, _path, { slot }): Parsed<HttpFilter> {
    return { ok: true, value: new GrpcWebFilter(slot), problems: [] };
  },
});

class GrpcWebFilter implements HttpFilter {
  readonly #slot: number;

  constructor(slot: number) {
    this.#slot = slot;
  }

  onRequestHead(exchange: Exchange): Verdict {
    const headers = exchange.requestHeaders;
    const type = headerOf(headers, 'content-type');
    if (type === undefined || !type.startsWith(BINARY)) return undefined;
    const form = formOf(type);
    if (form === undefined) return undefined;
    const accepts = headerOf(headers, 'accept');
    exchange.slots[this.#slot] = {
      textResponse: accepts !== undefined && formOf(accepts)?.isText === true,
      reader: form.isText ? new Base64Reader() : undefined,
      isGrpcResponse: true,
    } satisfies WebCall;
    // The length is that of the base64, and gRPC has no use for it.
    removeHeader(headers, 'content-length');
    setHeader(headers, 'content-type', GRPC + form.suffix);
    setHeader(headers, 'te', 'trailers');
    setHeader(headers, 'grpc-accept-encoding', 'identity');
    return undefined;
  }

  onRequestData(exchange: Exchange, data: Buffer): Buffer | undefined {
    const call = exchange.slots[this.#slot] as WebCall | undefined;
    if (call?.reader === undefined) return undefined;
    const decoded = call.reader.read(data);
    if (decoded !== undefined) return decoded;
    exchange.refuse({
      status: 400,
      body: 'Bad gRPC-web request, invalid base64 data.',
      flag: '',
      details: 'grpc_base_64_decode_failed',
    });
    return Buffer.alloc(0);
  }

  onResponseHead(exchange: Exchange): void {
    const call = exchange.slots[this.#slot] as WebCall | undefined;
    if (call === undefined) return;
    const headers = exchange.responseHeaders;
    const type = headerOf(headers, 'content-type') ?? '';
    call.isGrpcResponse = type.startsWith(GRPC);
    if (!call.isGrpcResponse) {
      this.#translateStatus(exchange, call, headers);
      return;
    }
    removeHeader(headers, 'content-length');
    const suffix = type.slice(GRPC.length);
    setHeader(
      headers,
      'content-type',
      (call.textResponse ? TEXT : BINARY) + (suffix === '' ? '+proto' : suffix),
    );
  }

  /** An answer that is none of gRPC, such as one of a proxy on the way. */
  #translateStatus(exchange: Exchange, call: WebCall, headers: HeaderList): void {
    if (headerOf(headers, 'grpc-status') !== undefined) return;
    setHeader(headers, 'grpc-status', String(grpcStatusOf(exchange.responseCode)));
    setHeader(headers, 'grpc-message', encodeGrpcMessage(`HTTP status ${exchange.responseCode}`));
    setHeader(headers, 'content-type', `${call.textResponse ? TEXT : BINARY}+proto`);
  }

  onResponseData(exchange: Exchange, data: Buffer): Buffer | undefined {
    const call = exchange.slots[this.#slot] as WebCall | undefined;
    if (call === undefined || !call.isGrpcResponse || !call.textResponse) return undefined;
    return Buffer.from(data.toString('base64'), 'latin1');
  }

  onResponseTrailers(exchange: Exchange, trailers: HeaderList): Buffer | undefined {
    const call = exchange.slots[this.#slot] as WebCall | undefined;
    if (call === undefined || !call.isGrpcResponse) return undefined;
    const frame = encodeTrailers(trailers);
    trailers.length = 0;
    return call.textResponse ? Buffer.from(frame.toString('base64'), 'latin1') : frame;
  }
}

/** `application/grpc-web[-text][+FORMAT]`; undefined for anything else. */
function formOf(type: string): { readonly isText: boolean; readonly suffix: string } | undefined {
  const isText = type.startsWith(TEXT);
  const suffix = type.slice(isText ? TEXT.length : BINARY.length);
  if (!type.startsWith(BINARY) || (suffix !== '' && suffix !== '+proto')) return undefined;
  return { isText, suffix };
}
