/** Header blocks to bytes (RFC 7541). */

import type { HeaderList } from '../../../header-list.ts';
import type { ByteWriter } from '../byte-writer.ts';

/** One a connection: blocks must be sent in the order they were encoded, every one of them. */
export class HpackEncoder {
  /** @param maxTableBytes what this side spends on the table, whatever the peer allows */
  constructor(maxTableBytes: number) {
    void maxTableBytes;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE; the next block tells it what is made of it. */
  setPeerLimit(bytes: number): void {
    void bytes;
  }

  /** Empty strings are absent. */
  encodeRequest(
    out: ByteWriter,
    method: string,
    scheme: string,
    authority: string,
    path: string,
    protocol: string,
    headers: HeaderList,
  ): void {
    void [out, method, scheme, authority, path, protocol, headers];
  }

  encodeResponse(out: ByteWriter, status: number, headers: HeaderList): void {
    void [out, status, headers];
  }

  /** Fields alone: trailers. */
  encodeFields(out: ByteWriter, headers: HeaderList): void {
    void [out, headers];
  }
}
