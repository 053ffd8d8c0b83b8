/** What can be wrong with an HTTP/1.1 message (RFC 9112), with the status its sender is told. */

export interface Fault {
  /** 400, 426, 431 or 501. */
  readonly status: number;
  /** Envoy's response code details, such as `http1.codec_error`. */
  readonly details: string;
  /** What is wrong, for people; holds nothing of the message. */
  readonly reason: string;
}

const codecError = (reason: string): Fault => ({ status: 400, details: 'http1.codec_error', reason });

export type FaultName =
  | 'requestLine'
  | 'statusLine'
  | 'version'
  | 'oldVersion'
  | 'fieldName'
  | 'fieldValue'
  | 'contentLength'
  | 'twoLengths'
  | 'transferEncoding'
  | 'connection'
  | 'connectBody'
  | 'method'
  | 'target'
  | 'url'
  | 'scheme'
  | 'httpsUrl'
  | 'authority'
  | 'underscore'
  | 'bodyNotAllowed'
  | 'chunkSize'
  | 'headTooLarge'
  | 'tooManyFields'
  | 'truncated';

export const faults: Readonly<Record<FaultName, Fault>> = {
  requestLine: codecError('malformed request line'),
  statusLine: codecError('malformed status line'),
  version: codecError('invalid version'),
  oldVersion: { status: 426, details: 'low_version', reason: 'not a version of HTTP/1' },
  fieldName: codecError('invalid character in a field name'),
  fieldValue: {
    status: 400,
    details: 'http1.invalid_characters',
    reason: 'invalid character in a field value',
  },
  contentLength: codecError('invalid content-length'),
  twoLengths: {
    status: 400,
    details: 'http1.content_length_and_chunked_not_allowed',
    reason: 'both content-length and transfer-encoding',
  },
  transferEncoding: {
    status: 501,
    details: 'http1.invalid_transfer_encoding',
    reason: 'transfer-encoding is not chunked',
  },
  connection: {
    status: 400,
    details: 'http1.connection_header_rejected',
    reason: 'connection names a field that must not be dropped',
  },
  connectBody: { status: 400, details: 'http1.body_disallowed', reason: 'CONNECT with a body' },
  method: codecError('unknown method'),
  target: codecError('invalid request target'),
  url: { status: 400, details: 'http1.invalid_url', reason: 'invalid URL as request target' },
  scheme: {
    status: 400,
    details: 'http1.invalid_scheme',
    reason: 'request target with a scheme other than http and https',
  },
  httpsUrl: {
    status: 403,
    details: 'http1.https_url_on_plaintext_connection',
    reason: 'URL of https in the clear',
  },
  authority: { status: 400, details: 'http.invalid_authority', reason: 'invalid host' },
  underscore: { status: 400, details: 'http1.unexpected_underscore', reason: 'underscore in a field name' },
  bodyNotAllowed: codecError('a body where the status allows none'),
  chunkSize: codecError('invalid chunk size'),
  headTooLarge: { status: 431, details: 'http1.headers_too_large', reason: 'head too large' },
  tooManyFields: { status: 431, details: 'http1.too_many_headers', reason: 'too many header fields' },
  truncated: codecError('connection closed within a message'),
};
