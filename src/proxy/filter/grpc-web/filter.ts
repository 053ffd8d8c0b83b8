/**
 * gRPC-Web to gRPC and back: what a browser can send and read goes upstream as an ordinary call, its
 * trailers come back in the body (gRPC, "gRPC Web"; Envoy, "gRPC-Web").
 */
import type { Parsed } from '#core/problem.ts';
import { encodeGrpcMessage, grpcStatusOf } from '#http/grpc-status.ts';
import { type HeaderList, headerOf, removeHeader, setHeader } from '#http/header-list.ts';
import { GrpcWebSchema } from '#xds/gen/envoy/extensions/filters/http/grpc_web/v3/grpc_web_pb.js';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { type MethodStats, MethodStatsTable, methodOf } from '../grpc-method-stats.ts';
import { Base64Reader, encodeTrailers } from './framing.ts';

const BINARY = 'application/grpc-web';
const TEXT = 'application/grpc-web-text';
const GRPC = 'application/grpc';
const OK = 200;
const nothing = Buffer.alloc(0);

/** So much of an answer that is none of gRPC becomes a message (Envoy's limit). */
const MAX_MESSAGE_BYTES = 16_384;

/** One call of a browser. */
interface WebCall {
  /** Whether the client wants the response in base64. */
  readonly textResponse: boolean;
  /** Undefined where the request is binary. */
  readonly reader: Base64Reader | undefined;
  /** What is counted; undefined where nobody knows of what. */
  readonly stats: MethodStats | undefined;
  /** Whether the response is one of gRPC. */
  isGrpcResponse: boolean;
  /** The beginning of one that is not, as a byte string. */
  text: string;
}

export const grpcWeb: CataloguedFilter = defineFilter({
  kind: 'grpc-web',
  schema: GrpcWebSchema,
  stability: 'stable',
  trust: 'hostile-downstream',
  create(_config, _path, deps): Parsed<HttpFilter> {
    return { ok: true, value: new GrpcWebFilter(deps), problems: [] };
  },
});

class GrpcWebFilter implements HttpFilter {
  readonly #slot: number;
  readonly #methods: MethodStatsTable;

  constructor({ metrics, slot }: FilterDeps) {
    this.#slot = slot;
    this.#methods = new MethodStatsTable(metrics, 'grpc-web');
  }

  onRequestHead(exchange: Exchange): Verdict {
    const headers = exchange.requestHeaders;
    const type = headerOf(headers, 'content-type');
    if (type === undefined || !types.has(type)) return undefined;
    exchange.slots[this.#slot] = {
      textResponse: isText(headerOf(headers, 'accept')),
      reader: isText(type) ? new Base64Reader() : undefined,
      stats: this.#statsOf(exchange),
      isGrpcResponse: true,
      text: '',
    } satisfies WebCall;
    // The length is that of the base64, and gRPC has no use for it.
    removeHeader(headers, 'content-length');
    setHeader(headers, 'content-type', GRPC);
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
    return nothing;
  }

  #statsOf({ cluster, path }: Exchange): MethodStats | undefined {
    const method = cluster === undefined ? '' : methodOf(path, false);
    return method === '' ? undefined : this.#methods.of(cluster!.name, method, false);
  }

  onResponseHead(exchange: Exchange): Verdict {
    const call = exchange.slots[this.#slot] as WebCall | undefined;
    if (call === undefined) return undefined;
    const headers = exchange.responseHeaders;
    count(call, headers);
    const type = headerOf(headers, 'content-type') ?? '';
    call.isGrpcResponse = type.startsWith(BINARY) || (type.startsWith(GRPC) && exchange.responseCode === OK);
    removeHeader(headers, 'content-length');
    setHeader(headers, 'content-type', `${call.textResponse ? TEXT : BINARY}+proto`);
    return call.isGrpcResponse ? undefined : 'hold';
  }

  onResponseData(exchange: Exchange, data: Buffer): Buffer | undefined {
    const call = exchange.slots[this.#slot] as WebCall | undefined;
    if (call === undefined) return undefined;
    if (!call.isGrpcResponse) {
      call.text += data.toString('latin1', 0, MAX_MESSAGE_BYTES - call.text.length);
      return nothing;
    }
    return call.textResponse ? Buffer.from(data.toString('base64'), 'latin1') : undefined;
  }

  /** An answer that is none of gRPC, such as one of a proxy on the way: its body is the message. */
  onResponseComplete(exchange: Exchange): Verdict {
    const text = (exchange.slots[this.#slot] as WebCall | undefined)?.text ?? '';
    if (text === '') return undefined;
    const headers = exchange.responseHeaders;
    setHeader(headers, 'grpc-status', String(grpcStatusOf(exchange.responseCode)));
    setHeader(headers, 'grpc-message', encodeGrpcMessage(text));
    setHeader(headers, 'content-length', '0');
    return undefined;
  }

  onResponseTrailers(exchange: Exchange, trailers: HeaderList): Buffer | undefined {
    const call = exchange.slots[this.#slot] as WebCall | undefined;
    if (call === undefined || !call.isGrpcResponse) return undefined;
    count(call, trailers);
    const frame = encodeTrailers(trailers);
    trailers.length = 0;
    return call.textResponse ? Buffer.from(frame.toString('base64'), 'latin1') : frame;
  }
}

function count({ stats }: WebCall, fields: HeaderList): void {
  const status = headerOf(fields, 'grpc-status');
  if (status !== undefined) stats?.count(status);
}

const types: ReadonlySet<string> = new Set([BINARY, `${BINARY}+proto`, TEXT, `${TEXT}+proto`]);

function isText(type: string | undefined): boolean {
  return type === TEXT || type === `${TEXT}+proto`;
}
