/** Compressors and decompressors of the runtime, as filters ask for them. Every piece that is written comes out at once. */
import type { Transform } from 'node:stream';
import {
  constants,
  createBrotliCompress,
  createBrotliDecompress,
  createGunzip,
  createGzip,
  createZstdCompress,
  createZstdDecompress,
} from 'node:zlib';
import type { CoderSpec } from '../filter/recoder-library.ts';

export function createCoder(spec: CoderSpec): Transform {
  const { chunkBytes: chunkSize } = spec;
  switch (spec.kind) {
    case 'compress-gzip': {
      const { level, strategy, memoryLevel: memLevel, windowBits } = spec;
      const flush = constants.Z_SYNC_FLUSH;
      return createGzip({ level, strategy, memLevel, windowBits, chunkSize, flush });
    }
    case 'compress-brotli':
      return createBrotliCompress({
        params: {
          [constants.BROTLI_PARAM_QUALITY]: spec.quality,
          [constants.BROTLI_PARAM_MODE]: spec.mode,
          [constants.BROTLI_PARAM_LGWIN]: spec.windowBits,
          [constants.BROTLI_PARAM_LGBLOCK]: spec.blockBits,
          [constants.BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING]: spec.withoutLiteralContext,
        },
        chunkSize,
        flush: constants.BROTLI_OPERATION_FLUSH,
      });
    case 'compress-zstd':
      return createZstdCompress({
        params: {
          [constants.ZSTD_c_compressionLevel]: spec.level,
          [constants.ZSTD_c_checksumFlag]: spec.checksum ? 1 : 0,
          ...(spec.strategy === 0 ? {} : { [constants.ZSTD_c_strategy]: spec.strategy }),
        },
        chunkSize,
        flush: constants.ZSTD_e_flush,
      });
    // What is cut short is what could be read of it.
    case 'decompress-gzip':
      return createGunzip({
        windowBits: spec.windowBits,
        chunkSize,
        finishFlush: constants.Z_SYNC_FLUSH,
      });
    case 'decompress-brotli':
      return createBrotliDecompress({
        params: { [constants.BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION]: spec.keepsRingBuffer },
        chunkSize,
        finishFlush: constants.BROTLI_OPERATION_FLUSH,
      });
    case 'decompress-zstd':
      return createZstdDecompress({ chunkSize, finishFlush: constants.ZSTD_e_flush });
  }
}
