/** The libraries that compress and decompress, as their messages configure them (Envoy, `compressor_library`). */
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
import type { TypedExtensionConfig } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import { BrotliSchema as BrotliCompressorSchema } from '#xds/gen/envoy/extensions/compression/brotli/compressor/v3/brotli_pb.js';
import { BrotliSchema as BrotliDecompressorSchema } from '#xds/gen/envoy/extensions/compression/brotli/decompressor/v3/brotli_pb.js';
import {
  GzipSchema as GzipCompressorSchema,
  Gzip_CompressionLevel as Level,
} from '#xds/gen/envoy/extensions/compression/gzip/compressor/v3/gzip_pb.js';
import { GzipSchema as GzipDecompressorSchema } from '#xds/gen/envoy/extensions/compression/gzip/decompressor/v3/gzip_pb.js';
import { ZstdSchema as ZstdCompressorSchema } from '#xds/gen/envoy/extensions/compression/zstd/compressor/v3/zstd_pb.js';
import { ZstdSchema as ZstdDecompressorSchema } from '#xds/gen/envoy/extensions/compression/zstd/decompressor/v3/zstd_pb.js';
import { type Findings, typeNameOf } from '../findings.ts';

export interface RecoderLibrary {
  /** Of the extension. */
  readonly name: string;
  /** As `content-encoding` has it. */
  readonly encoding: 'gzip' | 'br' | 'zstd';
  /** Of the names of statistics. */
  readonly statName: 'gzip' | 'brotli' | 'zstd';
  /** What comes out may be so many times what goes in. */
  readonly maxRatio: number;
  create(): Transform;
}

type Made = Omit<RecoderLibrary, 'name'>;

const MAX_RATIO = 100;
const UNLIMITED = Number.POSITIVE_INFINITY;
/** Envoy's defaults. */
const WINDOW_BITS = 12;
const MEMORY_LEVEL = 5;
const CHUNK_BYTES = 4096;
const BROTLI_QUALITY = 3;
const BROTLI_WINDOW_BITS = 18;
const BROTLI_BLOCK_BITS = 24;
const ZSTD_LEVEL = 3;
const GZIP_WINDOW_BITS = 15;

class NumberReader {
  readonly #path: string;
  readonly #findings: Findings;

  constructor(path: string, findings: Findings) {
    this.#path = path;
    this.#findings = findings;
  }

  read(field: string, value: number | undefined, min: number, max: number, byDefault: number): number {
    if (value !== undefined && (value < min || value > max))
      this.#findings.error(`${this.#path}.${field}`, `must be ${min} to ${max}`);
    return value ?? byDefault;
  }

  chunk(value: number | undefined): number {
    return this.read('chunk_size', value, CHUNK_BYTES, 65_536, CHUNK_BYTES);
  }
}

export function readCompressor(
  config: TypedExtensionConfig | undefined,
  at: string,
  findings: Findings,
): RecoderLibrary | undefined {
  return readLibrary(config, at, compressors, findings);
}

export function readDecompressor(
  config: TypedExtensionConfig | undefined,
  at: string,
  findings: Findings,
): RecoderLibrary | undefined {
  return readLibrary(config, at, decompressors, findings);
}

type Any = TypedExtensionConfig['typedConfig'];
type Readers = Readonly<Record<string, (any: Any, path: string, findings: Findings) => Made | undefined>>;

function readLibrary(
  config: TypedExtensionConfig | undefined,
  at: string,
  readers: Readers,
  findings: Findings,
): RecoderLibrary | undefined {
  if (config === undefined) {
    findings.error(at, 'is missing');
    return undefined;
  }
  const { name, typedConfig } = config;
  if (name === '') findings.error(`${at}.name`, 'is missing');
  const path = `${at}.typed_config`;
  const read = readers[typeNameOf(typedConfig)];
  if (read === undefined) {
    findings.error(path, `${typedConfig?.typeUrl ?? 'nothing'} is not supported here`);
    return undefined;
  }
  const made = read(typedConfig, path, findings);
  return made && { name, ...made };
}

const compressors: Readers = {
  [GzipCompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, GzipCompressorSchema);
    if (message === undefined) return undefined;
    const number = new NumberReader(path, findings);
    const { compressionLevel, compressionStrategy: strategy } = message;
    if (!(compressionLevel in Level)) findings.error(`${path}.compression_level`, 'is not known');
    if (strategy > constants.Z_FIXED) findings.error(`${path}.compression_strategy`, 'is not known');
    const options = {
      level:
        compressionLevel === Level.DEFAULT_COMPRESSION ? constants.Z_DEFAULT_COMPRESSION : compressionLevel,
      strategy,
      memLevel: number.read('memory_level', message.memoryLevel, 1, 9, MEMORY_LEVEL),
      windowBits: number.read('window_bits', message.windowBits, 9, 15, WINDOW_BITS),
      chunkSize: number.chunk(message.chunkSize),
      flush: constants.Z_SYNC_FLUSH,
    };
    const create = (): Transform => createGzip(options);
    return { encoding: 'gzip', statName: 'gzip', maxRatio: UNLIMITED, create };
  },
  [BrotliCompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, BrotliCompressorSchema);
    if (message === undefined) return undefined;
    const number = new NumberReader(path, findings);
    const mode = Math.max(0, message.encoderMode - 1);
    if (mode > constants.BROTLI_MODE_FONT) findings.error(`${path}.encoder_mode`, 'is not known');
    const options = {
      params: {
        [constants.BROTLI_PARAM_QUALITY]: number.read('quality', message.quality, 0, 11, BROTLI_QUALITY),
        [constants.BROTLI_PARAM_MODE]: mode,
        [constants.BROTLI_PARAM_LGWIN]: number.read(
          'window_bits',
          message.windowBits,
          10,
          24,
          BROTLI_WINDOW_BITS,
        ),
        [constants.BROTLI_PARAM_LGBLOCK]: number.read(
          'input_block_bits',
          message.inputBlockBits,
          16,
          24,
          BROTLI_BLOCK_BITS,
        ),
        [constants.BROTLI_PARAM_DISABLE_LITERAL_CONTEXT_MODELING]: message.disableLiteralContextModeling,
      },
      chunkSize: number.chunk(message.chunkSize),
      flush: constants.BROTLI_OPERATION_FLUSH,
    };
    const create = (): Transform => createBrotliCompress(options);
    return { encoding: 'br', statName: 'brotli', maxRatio: UNLIMITED, create };
  },
  [ZstdCompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, ZstdCompressorSchema);
    if (message === undefined) return undefined;
    const number = new NumberReader(path, findings);
    const { strategy, enableChecksum } = message;
    findings.refuse(`${path}.dictionary`, message.dictionary !== undefined);
    if (strategy > constants.ZSTD_btultra2) findings.error(`${path}.strategy`, 'is not known');
    const options = {
      params: {
        [constants.ZSTD_c_compressionLevel]: number.read(
          'compression_level',
          message.compressionLevel,
          1,
          22,
          ZSTD_LEVEL,
        ),
        [constants.ZSTD_c_checksumFlag]: enableChecksum ? 1 : 0,
        ...(strategy === 0 ? {} : { [constants.ZSTD_c_strategy]: strategy }),
      },
      chunkSize: number.chunk(message.chunkSize),
      flush: constants.ZSTD_e_flush,
    };
    const create = (): Transform => createZstdCompress(options);
    return { encoding: 'zstd', statName: 'zstd', maxRatio: UNLIMITED, create };
  },
};

const decompressors: Readers = {
  [GzipDecompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, GzipDecompressorSchema);
    if (message === undefined) return undefined;
    const number = new NumberReader(path, findings);
    const options = {
      windowBits: number.read('window_bits', message.windowBits, 9, 15, GZIP_WINDOW_BITS),
      chunkSize: number.chunk(message.chunkSize),
      // What is cut short is what could be read of it.
      finishFlush: constants.Z_SYNC_FLUSH,
    };
    const maxRatio = number.read('max_inflate_ratio', message.maxInflateRatio, 1, 1032, MAX_RATIO);
    return { encoding: 'gzip', statName: 'gzip', maxRatio, create: () => createGunzip(options) };
  },
  [BrotliDecompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, BrotliDecompressorSchema);
    if (message === undefined) return undefined;
    const number = new NumberReader(path, findings);
    const options = {
      params: {
        [constants.BROTLI_DECODER_PARAM_DISABLE_RING_BUFFER_REALLOCATION]:
          message.disableRingBufferReallocation,
      },
      chunkSize: number.chunk(message.chunkSize),
      finishFlush: constants.BROTLI_OPERATION_FLUSH,
    };
    const create = (): Transform => createBrotliDecompress(options);
    return { encoding: 'br', statName: 'brotli', maxRatio: MAX_RATIO, create };
  },
  [ZstdDecompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, ZstdDecompressorSchema);
    if (message === undefined) return undefined;
    const number = new NumberReader(path, findings);
    findings.refuse(`${path}.dictionaries`, message.dictionaries.length > 0);
    const options = { chunkSize: number.chunk(message.chunkSize), finishFlush: constants.ZSTD_e_flush };
    const create = (): Transform => createZstdDecompress(options);
    return { encoding: 'zstd', statName: 'zstd', maxRatio: MAX_RATIO, create };
  },
};
