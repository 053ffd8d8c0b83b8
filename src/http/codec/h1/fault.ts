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
  | 'method'
  | 'target'
  | 'version'
  | 'oldVersion'
  | 'fieldName'
  | 'fieldValue'
  | 'lineEnd'
  | 'contentLength'
  | 'twoLengths'
  | 'transferEncoding'
  | 'connection'
  | 'host'
  | 'chunkSize'
  | 'chunkEnd'
  | 'headTooLarge'
  | 'tooManyFields'
  | 'trailersTooLarge'
  | 'truncated';

export const faults: Readonly<Record<FaultName, Fault>> = {
  requestLine: codecError('malformed request line'),
  statusLine: codecError('malformed status line'),
  method: codecError('invalid method'),
  target: codecError('invalid request target'),
  version: codecError('invalid version'),
  oldVersion: { status: 426, details: 'low_version', reason: 'not a version of HTTP/1' },
  fieldName: codecError('invalid character in a field name'),
  fieldValue: {
    status: 400,
    details: 'http1.invalid_characters',
    reason: 'invalid character in a field value',
  },
  lineEnd: codecError('line not ended by CR LF'),
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
  host: codecError('more than one host'),
  chunkSize: codecError('invalid chunk size'),
  chunkEnd: codecError('chunk not ended by CR LF'),
  headTooLarge: { status: 431, details: 'http1.headers_too_large', reason: 'head too large' },
  tooManyFields: { status: 431, details: 'http1.too_many_headers', reason: 'too many header fields' },
  trailersTooLarge: { status: 431, details: 'http1.trailers_too_large', reason: 'trailers too large' },
  truncated: codecError('connection closed within a message'),
};
