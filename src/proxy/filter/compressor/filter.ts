/** Compresses responses, and requests where it is asked to (Envoy, "Compressor"). */
import type { Parsed } from '#core/problem.ts';
import { type HeaderList, headerOf, joinedHeaderOf, removeHeader, setHeader } from '#http/header-list.ts';
import {
  CompressorPerRouteSchema,
  CompressorSchema,
} from '#xds/gen/envoy/extensions/filters/http/compressor/v3/compressor_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { RecodedBody } from '../recoded-body.ts';
import { type RecoderLibrary, readCompressor } from '../recoder-library.ts';
import { type RecodedBodies, RecodingFilter } from '../recoding-filter.ts';
import { chooseEncoding, type EncodingChoice } from './choice.ts';
import { type CompressorSettings, type DirectionSettings, readCompressorFilter } from './settings.ts';

/** What a part of the route table says. */
interface RouteSettings {
  /** Whether responses are compressed; undefined: as the listener says. */
  readonly enabled: boolean | undefined;
  readonly removesAcceptEncoding: boolean | undefined;
  readonly library: RecoderLibrary | undefined;
}

export const compressor: CataloguedFilter = defineFilter({
  kind: 'compressor',
  schema: CompressorSchema,
  stability: 'stable',
  trust: 'hostile-downstream',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const settings = readCompressorFilter(config, path, deps, findings);
    return findings.result<HttpFilter>(settings === undefined ? {} : new CompressorFilter(settings, deps));
  },
  route: {
    schema: CompressorPerRouteSchema,
    create({ override }, path): Parsed<unknown> {
      const findings = new Findings();
      const settings: RouteSettings = {
        enabled: undefined,
        removesAcceptEncoding: undefined,
        library: undefined,
      };
      if (override.case === undefined) findings.error(path, 'has neither disabled nor overrides');
      if (override.case !== 'overrides') {
        if (override.case === 'disabled' && !override.value)
          findings.error(`${path}.disabled`, 'must be true');
        return findings.result<unknown>({ ...settings, enabled: false });
      }
      const { responseDirectionConfig, compressorLibrary: library } = override.value;
      return findings.result<unknown>({
        ...settings,
        ...(responseDirectionConfig && { enabled: true }),
        removesAcceptEncoding: responseDirectionConfig?.removeAcceptEncodingHeader,
        library: library && readCompressor(library, `${path}.overrides.compressor_library`, findings),
      });
    },
  },
});

/** What is done to one request and its response. */
interface Call extends RecodedBodies {
  readonly filter: CompressorFilter;
  /** As the client sent it; undefined where it did not. */
  readonly acceptEncoding: string | undefined;
  readonly route: RouteSettings | undefined;
  readonly library: RecoderLibrary;
}

/** The compressors that have seen a request, in the order of their chain, and what its client wants of them. */
interface Agreement {
  readonly calls: Call[];
  choice: EncodingChoice | undefined;
}
const agreements = new WeakMap<Exchange, Agreement>();

class CompressorFilter extends RecodingFilter<Call> {
  readonly settings: CompressorSettings;
  readonly #deps: FilterDeps;

  constructor(settings: CompressorSettings, deps: FilterDeps) {
    super(deps.slot);
    this.settings = settings;
    this.#deps = deps;
  }

  onRequestHead(exchange: Exchange, endStream: boolean): undefined {
    const { response } = this.settings;
    const headers = exchange.requestHeaders;
    const call = this.#begin(exchange, joinedHeaderOf(headers, 'accept-encoding'));
    const { route } = call;
    const agreement = agreements.get(exchange);
    if (agreement === undefined) agreements.set(exchange, { calls: [call], choice: undefined });
    else agreement.calls.push(call);
    if (isOn(response, route) && (route?.removesAcceptEncoding ?? response.removesAcceptEncoding))
      removeHeader(headers, 'accept-encoding');
    this.#beginRequest(exchange, call, endStream);
  }

  #begin(exchange: Exchange, acceptEncoding: string | undefined): Call {
    const route = exchange.routeConfig(this.#deps.name) as RouteSettings | undefined;
    const library = route?.library ?? this.settings.library;
    const bodies = { request: undefined, response: undefined };
    const call: Call = { filter: this, route, library, acceptEncoding, ...bodies };
    exchange.slots[this.slot] = call;
    return call;
  }

  #beginRequest(exchange: Exchange, call: Call, endStream: boolean): void {
    const { request } = this.settings;
    const headers = exchange.requestHeaders;
    const { stats } = request;
    const isMeant =
      !endStream &&
      request.isOn() &&
      !isUpgrade(exchange) &&
      this.#isLong(request, headers, stats) &&
      takesType(request, headers) &&
      headerOf(headers, 'content-encoding') === undefined &&
      isPlainTransfer(headers);
    if (!isMeant) {
      stats.not_compressed.inc();
      return;
    }
    stats.compressed.inc();
    removeHeader(headers, 'content-length');
    setHeader(headers, 'content-encoding', call.library.encoding);
    call.request = this.#body(exchange, call, true);
  }

  #body(exchange: Exchange, { library }: Call, isRequest: boolean): RecodedBody {
    const { stats } = isRequest ? this.settings.request : this.settings.response;
    return new RecodedBody({
      ...{ exchange, isRequest, library, slot: this.slot, createCoder: this.#deps.createCoder },
      bytesIn: stats.total_uncompressed_bytes,
      bytesOut: stats.total_compressed_bytes,
    });
  }

  #isLong(
    { minLength }: DirectionSettings,
    headers: HeaderList,
    stats: { readonly content_length_too_small: { inc(): void } },
  ): boolean {
    const length = headerOf(headers, 'content-length');
    if (length === undefined || Number(length) >= minLength) return true;
    stats.content_length_too_small.inc();
    return false;
  }

  onResponseHead(exchange: Exchange, endStream: boolean): undefined {
    const call = this.callOf(exchange) ?? this.#begin(exchange, undefined);
    const { response } = this.settings;
    const { stats, tellsStatus } = response;
    const headers = exchange.responseHeaders;
    const isOpen = isOn(response, call.route) && this.#isLong(response, headers, stats);
    const mayBe =
      isOpen &&
      !isUpgrade(exchange) &&
      takesType(response, headers) &&
      !isKept(headers) &&
      this.#takesEtag(headers) &&
      !response.statuses.has(exchange.responseCode) &&
      headerOf(headers, 'content-encoding') === undefined;
    // What is told of is looked at first.
    const isAsked = tellsStatus ? mayBe : isOpen;
    if (!endStream && isAsked && this.#isWanted(exchange, call) && mayBe && isPlainTransfer(headers)) {
      const length = headerOf(headers, 'content-length') ?? '';
      stats.compressed.inc();
      this.#changeEtag(headers);
      removeHeader(headers, 'content-length');
      setHeader(headers, 'content-encoding', call.library.encoding);
      if (tellsStatus) this.#tell(call, headers, `Compressed;OriginalLength=${length}`);
      call.response = this.#body(exchange, call, false);
    } else {
      stats.not_compressed.inc();
      if (tellsStatus && !endStream && isOn(response, call.route)) this.#tellWhyNot(exchange, call);
    }
    if (mayBe) addVary(headers);
  }

  #tell({ library }: Call, headers: HeaderList, status: string): void {
    setHeader(headers, 'x-envoy-compression-status', `${library.encoding};${status}`);
  }

  #tellWhyNot(exchange: Exchange, call: Call): void {
    const { response } = this.settings;
    const headers = exchange.responseHeaders;
    if (!this.#isLong(response, headers, response.stats)) this.#tell(call, headers, 'ContentLengthTooSmall');
    else if (!takesType(response, headers)) this.#tell(call, headers, 'ContentTypeNotAllowed');
    else if (response.refusesEtag && headerOf(headers, 'etag') !== undefined)
      this.#tell(call, headers, 'EtagNotAllowed');
    else if (response.statuses.has(exchange.responseCode)) this.#tell(call, headers, 'StatusCodeNotAllowed');
  }

  #takesEtag(headers: HeaderList): boolean {
    const { response } = this.settings;
    if (!response.refusesEtag || headerOf(headers, 'etag') === undefined) return true;
    response.acceptStats.not_compressed_etag.inc();
    return false;
  }

  /** A strong one is of the bytes that are no more. */
  #changeEtag(headers: HeaderList): void {
    const etag = headerOf(headers, 'etag');
    if (etag === undefined || /^w\//i.test(etag)) return;
    if (this.settings.response.weakensEtag) setHeader(headers, 'etag', `W/${etag}`);
    else removeHeader(headers, 'etag');
  }

  #isWanted(exchange: Exchange, call: Call): boolean {
    const { acceptStats: stats } = this.settings.response;
    const { acceptEncoding, library } = call;
    if (acceptEncoding === undefined) {
      stats.no_accept_header.inc();
      return false;
    }
    const agreement = agreements.get(exchange) ?? { calls: [call], choice: undefined };
    agreement.choice ??= chooseEncoding(
      acceptEncoding,
      agreement.calls
        .filter(({ filter }) => takesType(filter.settings.response, exchange.responseHeaders))
        .map((one) => ({
          encoding: one.library.encoding,
          chooseFirst: one.filter.settings.chooseFirst,
        })),
    );
    const { encoding, why } = agreement.choice;
    const isOurs = encoding === library.encoding;
    switch (why) {
      case 'identity':
        stats.header_identity.inc();
        break;
      case 'wildcard':
        stats.header_wildcard.inc();
        break;
      case 'not-valid':
        stats.header_not_valid.inc();
        break;
      default:
        (isOurs ? stats.header_compressor_used : stats.header_compressor_overshadowed).inc();
    }
    return isOurs;
  }
}

function isOn(direction: DirectionSettings, route: RouteSettings | undefined): boolean {
  return route?.enabled ?? direction.isOn();
}

function isUpgrade({ method, requestHeaders }: Exchange): boolean {
  return method === 'CONNECT' || headerOf(requestHeaders, 'upgrade') !== undefined;
}

function takesType(direction: DirectionSettings, headers: HeaderList): boolean {
  const type = headerOf(headers, 'content-type');
  return type === undefined || direction.takesType(type.split(';', 1)[0]!.trim());
}

/** Whether nobody may change it (RFC 9111 §5.2.2.6). */
function isKept(headers: HeaderList): boolean {
  return hasToken(joinedHeaderOf(headers, 'cache-control'), 'no-transform');
}

function isPlainTransfer(headers: HeaderList): boolean {
  const codings = joinedHeaderOf(headers, 'transfer-encoding');
  return !hasToken(codings, 'gzip') && !hasToken(codings, 'deflate');
}

function hasToken(list: string | undefined, wanted: string): boolean {
  return list?.split(',').some((token) => token.trim().toLowerCase() === wanted) ?? false;
}

function addVary(headers: HeaderList): void {
  const vary = joinedHeaderOf(headers, 'vary');
  if (vary === undefined) headers.push('vary', 'Accept-Encoding');
  else if (!vary.split(',').some((name) => name.trim() === 'Accept-Encoding'))
    setHeader(headers, 'vary', `${vary}, Accept-Encoding`);
}
