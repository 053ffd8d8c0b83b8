/** A `Compressor` message, read once. */
import type { Counter, MetricRegistry } from '#observe/metrics-contract.ts';
import type {
  Compressor_CommonDirectionConfig as Common,
  Compressor,
} from '#xds/gen/envoy/extensions/filters/http/compressor/v3/compressor_pb.js';
import type { Findings } from '../../findings.ts';
import { textMatcher } from '../../route/header-match.ts';
import { flagOf } from '../../runtime/fields.ts';
import type { FilterDeps } from '../contract.ts';
import { type RecoderLibrary, readCompressor } from '../recoder-library.ts';

const counterNames = [
  'compressed',
  'not_compressed',
  'total_uncompressed_bytes',
  'total_compressed_bytes',
  'content_length_too_small',
] as const;
const acceptCounterNames = [
  'no_accept_header',
  'header_identity',
  'header_compressor_used',
  'header_compressor_overshadowed',
  'header_wildcard',
  'header_not_valid',
  'not_compressed_etag',
] as const;

export type DirectionStats = Readonly<Record<(typeof counterNames)[number], Counter>>;
export type AcceptStats = Readonly<Record<(typeof acceptCounterNames)[number], Counter>>;

export interface DirectionSettings {
  readonly isOn: () => boolean;
  readonly minLength: number;
  /** Whether bodies of that type are compressed. @param type without parameters */
  readonly takesType: (type: string) => boolean;
}

export interface ResponseSettings extends DirectionSettings {
  readonly refusesEtag: boolean;
  readonly weakensEtag: boolean;
  readonly removesAcceptEncoding: boolean;
  readonly statuses: ReadonlySet<number>;
  readonly tellsStatus: boolean;
  readonly stats: DirectionStats;
  /** Of what clients accept. */
  readonly acceptStats: AcceptStats;
}

export interface CompressorSettings {
  readonly library: RecoderLibrary;
  readonly request: DirectionSettings & { readonly stats: DirectionStats };
  readonly response: ResponseSettings;
  readonly chooseFirst: boolean;
}

/** Envoy's defaults. */
const MIN_LENGTH = 30;
const TYPES = [
  'text/html',
  'text/plain',
  'text/css',
  'application/javascript',
  'application/x-javascript',
  'text/javascript',
  'text/x-javascript',
  'text/ecmascript',
  'text/js',
  'text/jscript',
  'text/x-js',
  'application/ecmascript',
  'application/x-json',
  'application/xml',
  'application/json',
  'image/svg+xml',
  'text/xml',
  'application/xhtml+xml',
  'application/grpc-web',
  'application/grpc-web+proto',
  'application/grpc-web+json',
  'application/grpc-web+thrift',
];

/** Undefined where there is no library to compress with. */
export function readCompressorFilter(
  config: Compressor,
  at: string,
  deps: FilterDeps,
  findings: Findings,
): CompressorSettings | undefined {
  const library = readCompressor(config.compressorLibrary, `${at}.compressor_library`, findings);
  const { requestDirectionConfig: request, responseDirectionConfig: response } = config;
  const old: Pick<Common, 'enabled' | 'minContentLength' | 'contentType' | 'contentTypeMatcher'> = {
    enabled: config.runtimeEnabled,
    minContentLength: config.contentLength,
    contentType: config.contentType,
    contentTypeMatcher: [],
  } as never;
  const ofResponse =
    response === undefined
      ? readDirection(old, `${at}.`, deps, findings)
      : readDirection(
          response.commonConfig,
          `${at}.response_direction_config.common_config.`,
          deps,
          findings,
        );
  const ofRequest = readDirection(
    request?.commonConfig,
    `${at}.request_direction_config.common_config.`,
    deps,
    findings,
  );
  response?.uncompressibleResponseCodes.forEach((code, i, all) => {
    const here = `${at}.response_direction_config.uncompressible_response_codes[${i}]`;
    if (code < 200 || code > 599) findings.error(here, 'must be 200 to 599');
    if (all.indexOf(code) < i) findings.error(here, 'is there twice');
  });
  if (library === undefined) return undefined;
  const prefix = `http.${deps.statPrefix}.compressor.${library.name}.${library.statName}`;
  const { refusesEtag, removesAcceptEncoding } =
    response === undefined
      ? { refusesEtag: config.disableOnEtagHeader, removesAcceptEncoding: config.removeAcceptEncodingHeader }
      : {
          refusesEtag: response.disableOnEtagHeader,
          removesAcceptEncoding: response.removeAcceptEncodingHeader,
        };
  return {
    library,
    chooseFirst: config.chooseFirst,
    request: {
      ...ofRequest,
      isOn: request === undefined ? () => false : ofRequest.isOn,
      stats: createStats(deps.metrics, `${prefix}.request`, deps.statPrefix, counterNames),
    },
    response: {
      ...ofResponse,
      refusesEtag,
      removesAcceptEncoding,
      weakensEtag: response?.weakenEtagOnCompress ?? false,
      statuses: new Set(response?.uncompressibleResponseCodes),
      tellsStatus: response?.statusHeaderEnabled ?? false,
      stats: createStats(
        deps.metrics,
        response === undefined ? prefix : `${prefix}.response`,
        deps.statPrefix,
        counterNames,
      ),
      acceptStats: createStats(deps.metrics, prefix, deps.statPrefix, acceptCounterNames),
    },
  };
}

/** @param path with its full stop */
function readDirection(
  config: Pick<Common, 'enabled' | 'minContentLength' | 'contentType' | 'contentTypeMatcher'> | undefined,
  path: string,
  { runtime }: FilterDeps,
  findings: Findings,
): DirectionSettings {
  const types = new Set(config?.contentType.map((type) => type.toLowerCase()));
  const matchers = (config?.contentTypeMatcher ?? []).map((matcher, i) =>
    textMatcher(matcher, `${path}content_type_matcher[${i}]`, findings),
  );
  const all = types.size === 0 ? new Set(TYPES) : types;
  return {
    isOn: flagOf(config?.enabled, runtime),
    minLength: config?.minContentLength ?? MIN_LENGTH,
    // Where there are matchers, they alone count (Envoy).
    takesType: (type) =>
      matchers.length > 0 ? matchers.some((matches) => matches(type)) : all.has(type.toLowerCase()),
  };
}

function createStats<Name extends string>(
  metrics: MetricRegistry,
  path: string,
  statPrefix: string,
  names: readonly Name[],
): Readonly<Record<Name, Counter>> {
  const scope = metrics.scope({
    path,
    family: 'http_compressor',
    labels: {
      envoy_http_conn_manager_prefix: statPrefix,
      heddle_compressor: path.slice(`http.${statPrefix}.compressor.`.length),
    },
  });
  return Object.fromEntries(names.map((name) => [name, scope.counter(name)])) as Record<Name, Counter>;
}
