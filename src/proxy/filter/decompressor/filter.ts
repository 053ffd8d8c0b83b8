/** Makes bodies what they were before somebody compressed them (Envoy, "Decompressor"). */
import type { Parsed } from '#core/problem.ts';
import { type HeaderList, headerOf, joinedHeaderOf, removeHeader, setHeader } from '#http/header-list.ts';
import type { Counter } from '#observe/metrics-contract.ts';
import {
  type Decompressor_CommonDirectionConfig as Common,
  type Decompressor,
  DecompressorSchema,
} from '#xds/gen/envoy/extensions/filters/http/decompressor/v3/decompressor_pb.js';
import { Findings } from '../../findings.ts';
import { flagOf } from '../../runtime/fields.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { RecodedBody } from '../recoded-body.ts';
import type { Recoder } from '../recoder.ts';
import { type RecoderLibrary, readDecompressor } from '../recoder-library.ts';
import { type RecodedBodies, RecodingFilter } from '../recoding-filter.ts';
import { type CountFailure, countFailures } from './failures.ts';

export const decompressor: CataloguedFilter = defineFilter({
  kind: 'decompressor',
  schema: DecompressorSchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const library = readDecompressor(config.decompressorLibrary, `${path}.decompressor_library`, findings);
    const request = readDirection(config.requestDirectionConfig?.commonConfig, deps);
    const response = readDirection(config.responseDirectionConfig?.commonConfig, deps);
    const filter =
      library && new DecompressorFilter({ library, request, response, advertises: advertises(config) }, deps);
    return findings.result<HttpFilter>(filter ?? {});
  },
});

interface Direction {
  readonly isOn: () => boolean;
  /** Whether `cache-control: no-transform` does not hold. */
  readonly ignoresNoTransform: boolean;
}

interface DecompressorSettings {
  readonly library: RecoderLibrary;
  readonly request: Direction;
  readonly response: Direction;
  /** Whether upstreams are told what is read here. */
  readonly advertises: boolean;
}

function advertises({ requestDirectionConfig }: Decompressor): boolean {
  return requestDirectionConfig?.advertiseAcceptEncoding ?? true;
}

function readDirection(config: Common | undefined, { runtime }: FilterDeps): Direction {
  return {
    isOn: flagOf(config?.enabled, runtime),
    ignoresNoTransform: config?.ignoreNoTransformHeader ?? false,
  };
}

interface DirectionStats {
  readonly decompressed: Counter;
  readonly notDecompressed: Counter;
  readonly bytesIn: Counter;
  readonly bytesOut: Counter;
}

class DecompressorFilter extends RecodingFilter<RecodedBodies> {
  readonly #settings: DecompressorSettings;
  readonly #createCoder: FilterDeps['createCoder'];
  readonly #ofRequests: DirectionStats;
  readonly #ofResponses: DirectionStats;
  readonly #countFailure: CountFailure;

  constructor(settings: DecompressorSettings, deps: FilterDeps) {
    const { library } = settings;
    super(deps.slot);
    this.#settings = settings;
    this.#createCoder = deps.createCoder;
    const prefix = `http.${deps.statPrefix}.decompressor.${library.name}.${library.statName}`;
    this.#ofRequests = createStats(deps, `${prefix}.request`);
    this.#ofResponses = createStats(deps, `${prefix}.response`);
    this.#countFailure = countFailures(library.statName, `${prefix}.decompressor_library`, deps);
  }

  onRequestHead(exchange: Exchange, endStream: boolean): undefined {
    const { request, response, advertises: tells, library } = this.#settings;
    const call: RecodedBodies = { request: undefined, response: undefined };
    exchange.slots[this.slot] = call;
    const headers = exchange.requestHeaders;
    if (response.isOn() && tells) {
      const before = joinedHeaderOf(headers, 'accept-encoding');
      setHeader(
        headers,
        'accept-encoding',
        before === undefined ? library.encoding : `${before},${library.encoding}`,
      );
    }
    if (!endStream) call.request = this.#begin(exchange, headers, request, true);
  }

  #begin(
    exchange: Exchange,
    headers: HeaderList,
    direction: Direction,
    isRequest: boolean,
  ): RecodedBody | undefined {
    const { library } = this.#settings;
    const stats = isRequest ? this.#ofRequests : this.#ofResponses;
    const coding = joinedHeaderOf(headers, 'content-encoding');
    const [first = '', ...rest] = (coding ?? '').split(',');
    const isMeant =
      direction.isOn() &&
      (direction.ignoresNoTransform || !mayNotChange(headers)) &&
      first.trim().toLowerCase() === library.encoding;
    if (!isMeant) {
      stats.notDecompressed.inc();
      return undefined;
    }
    stats.decompressed.inc();
    removeHeader(headers, 'content-length');
    if (rest.length === 0) removeHeader(headers, 'content-encoding');
    else setHeader(headers, 'content-encoding', rest.join(',').trim());
    return new RecodedBody({
      ...{ exchange, isRequest, library, slot: this.slot, bytesIn: stats.bytesIn, bytesOut: stats.bytesOut },
      createCoder: this.#createCoder,
      onBroken: this.#countFailure,
      onDone: (recoder) => this.#tell(exchange, recoder, isRequest),
    });
  }

  /** How much it was before and after. */
  #tell(exchange: Exchange, { bytesIn, bytesOut }: Recoder, isRequest: boolean): void {
    const name = `x-envoy-decompressor-${this.#settings.library.name}-`;
    const list = [
      ...[`${name}compressed-bytes`, String(bytesIn)],
      ...[`${name}uncompressed-bytes`, String(bytesOut)],
    ];
    if (isRequest) exchange.addRequestTrailers(list);
    else exchange.addResponseTrailers(list);
  }

  onResponseHead(exchange: Exchange, endStream: boolean): undefined {
    if (endStream) return;
    const call = this.callOf(exchange) ?? { request: undefined, response: undefined };
    exchange.slots[this.slot] = call;
    call.response = this.#begin(exchange, exchange.responseHeaders, this.#settings.response, false);
  }
}

function mayNotChange(headers: HeaderList): boolean {
  const rules = headerOf(headers, 'cache-control');
  return rules?.split(',').some((rule) => rule.trim().toLowerCase() === 'no-transform') ?? false;
}

function createStats({ metrics, statPrefix }: FilterDeps, path: string): DirectionStats {
  const scope = metrics.scope({
    path,
    family: 'http_decompressor',
    labels: {
      envoy_http_conn_manager_prefix: statPrefix,
      heddle_decompressor: path.slice(`http.${statPrefix}.decompressor.`.length),
    },
  });
  return {
    decompressed: scope.counter('decompressed'),
    notDecompressed: scope.counter('not_decompressed'),
    bytesIn: scope.counter('total_compressed_bytes'),
    bytesOut: scope.counter('total_uncompressed_bytes'),
  };
}
