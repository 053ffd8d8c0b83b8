/** One decoded header block of HTTP/2: the fields, and what RFC 9113 §8.2 and §8.3 say of them. */

import type { HeaderList } from '../../header-list.ts';

/** `request` and `response` are heads (a response's may be interim); `trailers` follow either. */
export type BlockKind = 'request' | 'response' | 'trailers';

/** What a block may hold at most. */
export interface BlockLimits {
  /** Bytes of {@link HeaderBlock.listBytes}. */
  readonly maxListBytes: number;
  /** Fields, pseudo-header fields among them. */
  readonly maxFields: number;
}

/** Filled by the decoder, which uses the object again; `headers` is a new array each time and belongs to who took it. */
export class HeaderBlock {
  /** Regular fields only; names are lower case, known ones interned. */
  headers: HeaderList = [];
  /** Or of the marks (`mark` of header-name.ts) of the names in `headers`. */
  marks = 0;
  /** Values of the pseudo-header fields; '' where absent. */
  method = '';
  scheme = '';
  authority = '';
  path = '';
  /** `:protocol` of extended CONNECT (RFC 8441 §4). */
  protocol = '';
  /** 0: absent. */
  status = 0;
  /** -1: none. */
  contentLength = -1;
  /** Names and values and 32 bytes for each field (RFC 9113 §6.5.2). */
  listBytes = 0;
  fields = 0;
  /** '' for a well-formed message, else Envoy's response code details, such as `http2.invalid.header.field`. */
  malformed = '';
  /** Which limit was exceeded; '' for none. */
  tooLarge: '' | 'bytes' | 'fields' = '';
}
