/**
 * What Heddle is not compared in yet: for as long as an owner works on it, and not at a release.
 * HEDDLE_INTEROP_ONLY=envoy leaves all comparison out, for who writes a new group.
 */

/** Groups whose bootstrap Heddle does not take. */
const groups: ReadonlySet<string> = new Set([]);

/** Cases known to be answered otherwise, by their names. */
const cases: ReadonlySet<string> = new Set([
  '100 before the response',
  '100-continue',
  '101 that nobody asked for',
  '204 with a length',
  '204 with chunks',
  'CL.0: a GET whose body is a request',
  'CL.0: a body behind a length of zero is a request',
  'CL.0: a body on a path that answers early',
  'CL.TE: transfer-encoding with a line feed alone',
  'CR LF in per cents in the path stays there',
  'CR LF in the target',
  'HTTP/0.9',
  'HTTP/1.0 is not taken',
  'HTTP/1.0 without a host',
  'HTTP/1.2 in the request line',
  'HTTP/2 where HTTP/1 is expected',
  'OPTIONS *',
  'TE.TE: an empty transfer-encoding',
  'TE.TE: chunked in a folded line',
  'TE.TE: identity',
  'TLS where plaintext is expected',
  'a bad trailer',
  'a chunk size beyond 64 bits',
  'a chunk size in capitals',
  'a chunk size that is no number',
  'a chunk size with 0x',
  'a chunk size with a sign',
  'a chunk size with a space after it',
  'a chunk size with a space before it',
  'a chunk size with a tab after it',
  'a chunk size with leading zeros',
  'a chunk that ends with a bare LF',
  'a chunk that is longer than its size',
  'a folded header of a response',
  'a host with a path',
  'a host with a space',
  'a host with a user',
  'a last chunk with bare LFs',
  'a list of hosts',
  'a method in small letters',
  'a path with a NUL in per cents',
  'a path with bytes above ASCII',
  'a path without a slash',
  'a response with HTTP/2.0 in its line',
  'a size line with a bare LF',
  'a tab in the request line',
  'a target with a user',
  'a trailer that is a length',
  'absolute-form target of another scheme',
  'absolute-form target of https',
  'an empty chunk size',
  'an empty host',
  'an extension of 20,000 bytes',
  'an extension with a NUL',
  'an extension with a bare CR',
  'bare CR in a value is left out',
  'bare LF',
  'bare LF after the request line',
  'bare LF between headers',
  'bare LF in a response',
  'bare LF that ends the head',
  'connection idle timeout of HTTP/2',
  'early hints',
  'fragment in the target',
  'grpc-timeout within grpc_timeout_header_max',
  'max_connection_duration',
  'max_connection_duration of HTTP/2',
  'max_stream_duration',
  'max_stream_duration in a response',
  'max_stream_duration of the route',
  'obsolete line folding',
  'pipelined ten, the slowest first',
  'request_headers_timeout',
  'request_headers_timeout from the second request on',
  'request_timeout',
  'reset after the head',
  'retry after 503',
  'stream idle timeout in the body of a request over HTTP/2',
  'the client says it is done after its request',
  'the same host twice',
  'the target has another host than the header',
  'two CRs before the LF',
  'two hosts',
  'two spaces in the request line',
  'upgrade that no route allows',
]);

/** Counters known to be counted otherwise. */
const counters: readonly RegExp[] = [
  /^http\..*\.downstream_cx_delayed_close_timeout$/,
  /^http\..*\.downstream_rq_[rt]x_reset$/,
  /^http\..*\.rq_(?:total|direct_response|redirect|reset_after_downstream_response_started)$/,
  /^cluster\..*\.upstream_rq_(?:completed|[rt]x_reset)$/,
  /^cluster\..*\.retry\./,
  /http2\.[a-z_]+$/,
];

/** HEDDLE_INTEROP_PENDING=1 compares all of it, for who works on it. */
const counted = process.env.HEDDLE_INTEROP_PENDING === undefined;

export const isPendingGroup = (name: string): boolean =>
  (counted && groups.has(name)) || process.env.HEDDLE_INTEROP_ONLY === 'envoy';

export const isPendingCase = (name: string): boolean => counted && cases.has(name);

export const isPendingCounter = (name: string): boolean =>
  counted && counters.some((counter) => counter.test(name));
