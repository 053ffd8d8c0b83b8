/** What is counted of bodies that cannot be read, by library (Envoy, "Decompressor libraries", statistics). */
import type { Counter } from '#observe/metrics-contract.ts';
import type { FilterDeps } from '../contract.ts';
import type { RecoderLibrary } from '../recoder-library.ts';

/** @param code of the library; '' where more came out than may */
export type CountFailure = (code: string) => void;

/** Counters of each library, the one of everything else first; behind it those of certain codes of the runtime. */
const counters = {
  gzip: {
    zlib_data_error: '',
    zlib_errno: 'Z_ERRNO',
    zlib_stream_error: 'Z_STREAM_ERROR',
    zlib_mem_error: 'Z_MEM_ERROR',
    zlib_buf_error: 'Z_BUF_ERROR',
    zlib_version_error: 'Z_VERSION_ERROR',
  },
  brotli: { brotli_error: '', brotli_output_overflow: 'overflow', brotli_redundant_input: 'redundant' },
  zstd: {
    zstd_generic_error: '',
    zstd_dictionary_error: 'ZSTD_error_dictionary_wrong',
    zstd_checksum_wrong_error: 'ZSTD_error_checksum_wrong',
    zstd_memory_error: 'ZSTD_error_memory_allocation',
  },
} as const satisfies Record<RecoderLibrary['statName'], Readonly<Record<string, string>>>;

export function countFailures(
  library: RecoderLibrary['statName'],
  path: string,
  { metrics, statPrefix }: FilterDeps,
): CountFailure {
  const scope = metrics.scope({
    path,
    family: 'http_decompressor_library',
    labels: {
      envoy_http_conn_manager_prefix: statPrefix,
      heddle_decompressor: path.slice(`http.${statPrefix}.decompressor.`.length),
    },
  });
  const byCode = new Map<string, Counter>();
  for (const [name, code] of Object.entries(counters[library])) byCode.set(code, scope.counter(name));
  return (code) => (byCode.get(code) ?? byCode.get('')!).inc();
}
