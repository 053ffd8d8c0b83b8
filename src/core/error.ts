/**
 * The catalogue of what can fail between a request and its response. On the path of requests these
 * are values, not exceptions; `proxy/reply.ts` turns them into replies.
 */

/** Who is at fault. Metrics blame this side; only `upstream` faults may be retried. */
export type Side = 'downstream' | 'upstream' | 'mesh';

/** When sending the same request again is safe and may help. */
export type Retry = 'never' | 'other-endpoint' | 'if-policy-says';

export interface ErrorKind {
  readonly side: Side;
  readonly retry: Retry;
  /** Status of the local reply (RFC 9110 §15). */
  readonly httpStatus: number;
  /** Envoy's short response flag; '' where it sets none. */
  readonly flag: string;
  /** Envoy's `%RESPONSE_CODE_DETAILS%`. */
  readonly details: string;
  /** Body of the local reply, as Envoy writes it. */
  readonly body: string;
  /** Where it is not the one that stands for the HTTP status. */
  readonly grpcStatus?: number;
}

const kind = (
  side: Side,
  retry: Retry,
  httpStatus: number,
  flag: string,
  details: string,
  body: string,
): ErrorKind => ({ side, retry, httpStatus, flag, details, body });

const RESET = 'upstream connect error or disconnect/reset before headers. reset reason: ';
const RESET_DETAILS = 'upstream_reset_before_response_started';

/** What can go wrong between a request and its response. */
export type ErrorCode =
  | 'NO_ROUTE'
  | 'NO_CLUSTER'
  | 'NO_ENDPOINT'
  | 'OVERLOADED'
  | 'CONNECT_FAILED'
  | 'LOCAL_CONNECT_FAILED'
  | 'CONNECT_TIMEOUT'
  | 'UPSTREAM_RESET'
  | 'UPSTREAM_PROTOCOL_ERROR'
  | 'UPSTREAM_TIMEOUT'
  | 'PER_TRY_TIMEOUT'
  | 'PER_TRY_IDLE_TIMEOUT'
  | 'UPSTREAM_MAX_DURATION'
  | 'RETRY_BUFFER_EXCEEDED'
  | 'STREAM_IDLE_TIMEOUT'
  | 'MAX_STREAM_DURATION'
  | 'REQUEST_TIMEOUT'
  | 'REQUEST_HEAD_TIMEOUT'
  | 'BAD_REQUEST'
  | 'HEAD_TOO_LARGE'
  | 'TOO_MANY_HEADERS'
  | 'VERSION_TOO_OLD'
  | 'CODING_UNSUPPORTED'
  | 'MISSING_HOST'
  | 'QUERY_WITHOUT_TYPE'
  | 'BAD_PATH'
  | 'PATH_REDIRECT'
  | 'BAD_TARGET'
  | 'UPGRADE_REFUSED'
  | 'DNS_FAILED'
  | 'INTERNAL_ERROR'
  | 'NO_FILTER_CONFIG'
  | 'REQUEST_TOO_LARGE'
  | 'RESPONSE_TOO_LARGE'
  | 'PROXY_OVERLOADED'
  | 'DISPATCH_ABORTED'
  | 'UPSTREAM_REMOTE_RESET'
  | 'UPSTREAM_REFUSED_STREAM';

/** Texts, flags and details are Envoy 1.40's, so that logs and alerts made for it keep working. */
export const errorKinds: Readonly<Record<ErrorCode, ErrorKind>> = {
  NO_ROUTE: kind('mesh', 'never', 404, 'NR', 'route_not_found', ''),
  NO_FILTER_CONFIG: kind('mesh', 'never', 500, 'NFCF', '', ''),
  NO_CLUSTER: kind('mesh', 'never', 503, 'NC', 'cluster_not_found', ''),
  NO_ENDPOINT: kind('upstream', 'other-endpoint', 503, 'UH', 'no_healthy_upstream', 'no healthy upstream'),
  OVERLOADED: kind('mesh', 'never', 503, 'UO', `${RESET_DETAILS}{overflow}`, `${RESET}overflow`),
  CONNECT_FAILED: kind(
    'upstream',
    'other-endpoint',
    503,
    'UF',
    `${RESET_DETAILS}{remote_connection_failure}`,
    `${RESET}remote connection failure`,
  ),
  LOCAL_CONNECT_FAILED: kind(
    'upstream',
    'other-endpoint',
    503,
    'UF',
    `${RESET_DETAILS}{local_connection_failure}`,
    `${RESET}local connection failure`,
  ),
  CONNECT_TIMEOUT: kind(
    'upstream',
    'other-endpoint',
    503,
    'UF',
    `${RESET_DETAILS}{connection_timeout}`,
    `${RESET}connection timeout`,
  ),
  UPSTREAM_RESET: kind(
    'upstream',
    'if-policy-says',
    503,
    'UC',
    `${RESET_DETAILS}{connection_termination}`,
    `${RESET}connection termination`,
  ),
  UPSTREAM_PROTOCOL_ERROR: kind(
    'upstream',
    'if-policy-says',
    502,
    'UPE',
    `${RESET_DETAILS}{protocol_error}`,
    `${RESET}protocol error`,
  ),
  UPSTREAM_TIMEOUT: kind('upstream', 'never', 504, 'UT', 'response_timeout', 'upstream request timeout'),
  PER_TRY_TIMEOUT: kind(
    'upstream',
    'other-endpoint',
    504,
    'UT',
    'upstream_per_try_timeout',
    'upstream request timeout',
  ),
  PER_TRY_IDLE_TIMEOUT: kind(
    'upstream',
    'other-endpoint',
    504,
    'UT',
    'upstream_per_try_idle_timeout',
    'upstream request timeout',
  ),
  UPSTREAM_MAX_DURATION: kind(
    'upstream',
    'if-policy-says',
    504,
    'UMSDR',
    'upstream_max_stream_duration_reached',
    'upstream max stream duration reached',
  ),
  RETRY_BUFFER_EXCEEDED: kind(
    'upstream',
    'never',
    507,
    '',
    'request_payload_exceeded_retry_buffer_limit',
    'exceeded request buffer limit while retrying upstream',
  ),
  STREAM_IDLE_TIMEOUT: kind('downstream', 'never', 408, 'SI', 'stream_idle_timeout', 'stream timeout'),
  MAX_STREAM_DURATION: {
    ...kind('mesh', 'never', 408, '', 'max_duration_timeout', 'downstream duration timeout'),
    grpcStatus: 4,
  },
  REQUEST_TIMEOUT: kind('downstream', 'never', 408, '', 'request_overall_timeout', 'request timeout'),
  REQUEST_HEAD_TIMEOUT: kind(
    'downstream',
    'never',
    408,
    '',
    'request_header_timeout',
    'request header timeout',
  ),
  BAD_REQUEST: kind('downstream', 'never', 400, 'DPE', 'http1.codec_error', 'Bad Request'),
  REQUEST_TOO_LARGE: kind('downstream', 'never', 413, '', 'request_payload_too_large', 'Payload Too Large'),
  RESPONSE_TOO_LARGE: kind(
    'upstream',
    'never',
    500,
    '',
    'response_payload_too_large',
    'Internal Server Error',
  ),
  HEAD_TOO_LARGE: kind('downstream', 'never', 431, 'DPE', 'http1.headers_too_large', ''),
  TOO_MANY_HEADERS: kind('downstream', 'never', 431, 'DPE', 'http1.too_many_headers', ''),
  VERSION_TOO_OLD: kind('downstream', 'never', 426, 'DPE', 'low_version', ''),
  CODING_UNSUPPORTED: kind('downstream', 'never', 501, 'DPE', 'http1.invalid_transfer_encoding', ''),
  MISSING_HOST: kind('downstream', 'never', 400, '', 'missing_host_header', ''),
  QUERY_WITHOUT_TYPE: kind('downstream', 'never', 400, '', 'query_missing_content_type', ''),
  BAD_PATH: kind('downstream', 'never', 400, '', 'path_normalization_failed', ''),
  PATH_REDIRECT: kind('downstream', 'never', 307, '', 'path_normalization_failed', ''),
  BAD_TARGET: kind('downstream', 'never', 404, '', 'absolute_path_rejected', ''),
  UPGRADE_REFUSED: kind('downstream', 'never', 403, '', 'upgrade_failed', ''),
  PROXY_OVERLOADED: kind('mesh', 'other-endpoint', 503, '', 'overload', 'envoy overloaded'),
  DISPATCH_ABORTED: kind('mesh', 'other-endpoint', 500, 'DPE', 'overload', 'Internal Server Error'),
  INTERNAL_ERROR: kind('mesh', 'never', 500, '', 'internal_error', ''),
  UPSTREAM_REMOTE_RESET: kind(
    'upstream',
    'if-policy-says',
    503,
    'UR',
    `${RESET_DETAILS}{remote_reset}`,
    `${RESET}remote reset`,
  ),
  UPSTREAM_REFUSED_STREAM: kind(
    'upstream',
    'other-endpoint',
    503,
    'UR',
    `${RESET_DETAILS}{remote_refused_stream_reset}`,
    `${RESET}remote refused stream reset`,
  ),
  DNS_FAILED: kind('mesh', 'never', 503, 'DF', 'dns_resolution_failure', 'DNS resolution failure'),
};
