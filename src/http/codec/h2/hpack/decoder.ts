/** Header blocks from bytes (RFC 7541). */

import type { BlockKind, BlockLimits, HeaderBlock } from '../header-block.ts';

/** One a connection: blocks must be decoded in the order they came, every one of them. */
export class HpackDecoder {
  /** @param maxTableBytes the SETTINGS_HEADER_TABLE_SIZE that was announced */
  constructor(maxTableBytes: number) {
    void maxTableBytes;
  }

  /**
   * Reads the block `bytes[from..to)` into `into`. What is beyond a limit is decoded, as the table needs
   * it, and dropped.
   *
   * @returns false for a COMPRESSION_ERROR, after which the connection cannot go on (RFC 9113 §4.3)
   */
  decode(
    bytes: Buffer,
    from: number,
    to: number,
    kind: BlockKind,
    into: HeaderBlock,
    limits: BlockLimits,
  ): boolean {
    void [bytes, from, to, kind, into, limits];
    return false;
  }
}
