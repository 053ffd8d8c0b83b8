/** The libraries that compress and decompress, as their messages configure them (Envoy, `compressor_library`). */
import type { TypedExtensionConfig } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import {
  BrotliSchema as BrotliCompressorSchema,
  Brotli_EncoderMode as EncoderMode,
} from '#xds/gen/envoy/extensions/compression/brotli/compressor/v3/brotli_pb.js';
import { BrotliSchema as BrotliDecompressorSchema } from '#xds/gen/envoy/extensions/compression/brotli/decompressor/v3/brotli_pb.js';
import {
  GzipSchema as GzipCompressorSchema,
  Gzip_CompressionLevel as Level,
  Gzip_CompressionStrategy as Strategy,
} from '#xds/gen/envoy/extensions/compression/gzip/compressor/v3/gzip_pb.js';
import { GzipSchema as GzipDecompressorSchema } from '#xds/gen/envoy/extensions/compression/gzip/decompressor/v3/gzip_pb.js';
import {
  ZstdSchema as ZstdCompressorSchema,
  Zstd_Strategy as ZstdStrategy,
} from '#xds/gen/envoy/extensions/compression/zstd/compressor/v3/zstd_pb.js';
import { ZstdSchema as ZstdDecompressorSchema } from '#xds/gen/envoy/extensions/compression/zstd/decompressor/v3/zstd_pb.js';
import { type Findings, typeNameOf } from '../findings.ts';

interface CompressGzip {
  readonly kind: 'compress-gzip';
  /** 1 to 9; -1: as the library has it. */
  readonly level: number;
  /** zlib's number. */
  readonly strategy: number;
  readonly memoryLevel: number;
  readonly windowBits: number;
}
interface CompressBrotli {
  readonly kind: 'compress-brotli';
  readonly quality: number;
  /** Of zlib's: generic, text, font. */
  readonly mode: number;
  readonly windowBits: number;
  readonly blockBits: number;
  readonly withoutLiteralContext: boolean;
}
interface CompressZstd {
  readonly kind: 'compress-zstd';
  readonly level: number;
  readonly checksum: boolean;
  /** Zstandard's number; 0: as the level has it. */
  readonly strategy: number;
}
interface DecompressGzip {
  readonly kind: 'decompress-gzip';
  readonly windowBits: number;
}
interface DecompressBrotli {
  readonly kind: 'decompress-brotli';
  readonly keepsRingBuffer: boolean;
}
interface DecompressZstd {
  readonly kind: 'decompress-zstd';
}

/** What is to be made, with the bytes it hands over at once. */
export type CoderSpec = { readonly chunkBytes: number } & (
  | CompressGzip
  | CompressBrotli
  | CompressZstd
  | DecompressGzip
  | DecompressBrotli
  | DecompressZstd
);

export interface RecoderLibrary {
  /** Of the extension. */
  readonly name: string;
  /** As `content-encoding` has it. */
  readonly encoding: 'gzip' | 'br' | 'zstd';
  /** Of the names of statistics. */
  readonly statName: 'gzip' | 'brotli' | 'zstd';
  /** What comes out may be so many times what goes in. */
  readonly maxRatio: number;
  readonly spec: CoderSpec;
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
    const { compressionLevel: level, compressionStrategy: strategy } = message;
    if (!(level in Level)) findings.error(`${path}.compression_level`, 'is not known');
    if (!(strategy in Strategy)) findings.error(`${path}.compression_strategy`, 'is not known');
    const spec: CoderSpec = {
      kind: 'compress-gzip',
      level: level === Level.DEFAULT_COMPRESSION ? -1 : level,
      strategy,
      memoryLevel: number.read('memory_level', message.memoryLevel, 1, 9, MEMORY_LEVEL),
      windowBits: number.read('window_bits', message.windowBits, 9, 15, WINDOW_BITS),
      chunkBytes: number.chunk(message.chunkSize),
    };
    return { encoding: 'gzip', statName: 'gzip', maxRatio: UNLIMITED, spec };
  },
  [BrotliCompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, BrotliCompressorSchema);
    if (message === undefined) return undefined;
    const number = new NumberReader(path, findings);
    if (!(message.encoderMode in EncoderMode)) findings.error(`${path}.encoder_mode`, 'is not known');
    const spec: CoderSpec = {
      kind: 'compress-brotli',
      quality: number.read('quality', message.quality, 0, 11, BROTLI_QUALITY),
      mode: Math.max(0, message.encoderMode - EncoderMode.GENERIC),
      windowBits: number.read('window_bits', message.windowBits, 10, 24, BROTLI_WINDOW_BITS),
      blockBits: number.read('input_block_bits', message.inputBlockBits, 16, 24, BROTLI_BLOCK_BITS),
      withoutLiteralContext: message.disableLiteralContextModeling,
      chunkBytes: number.chunk(message.chunkSize),
    };
    return { encoding: 'br', statName: 'brotli', maxRatio: UNLIMITED, spec };
  },
  [ZstdCompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, ZstdCompressorSchema);
    if (message === undefined) return undefined;
    const number = new NumberReader(path, findings);
    const { strategy, enableChecksum: checksum } = message;
    findings.refuse(`${path}.dictionary`, message.dictionary !== undefined);
    if (!(strategy in ZstdStrategy)) findings.error(`${path}.strategy`, 'is not known');
    const level = number.read('compression_level', message.compressionLevel, 1, 22, ZSTD_LEVEL);
    const chunkBytes = number.chunk(message.chunkSize);
    const spec: CoderSpec = { kind: 'compress-zstd', level, checksum, strategy, chunkBytes };
    return { encoding: 'zstd', statName: 'zstd', maxRatio: UNLIMITED, spec };
  },
};

const decompressors: Readers = {
  [GzipDecompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, GzipDecompressorSchema);
    if (message === undefined) return undefined;
    const number = new NumberReader(path, findings);
    const spec: CoderSpec = {
      kind: 'decompress-gzip',
      windowBits: number.read('window_bits', message.windowBits, 9, 15, GZIP_WINDOW_BITS),
      chunkBytes: number.chunk(message.chunkSize),
    };
    const maxRatio = number.read('max_inflate_ratio', message.maxInflateRatio, 1, 1032, MAX_RATIO);
    return { encoding: 'gzip', statName: 'gzip', maxRatio, spec };
  },
  [BrotliDecompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, BrotliDecompressorSchema);
    if (message === undefined) return undefined;
    const chunkBytes = new NumberReader(path, findings).chunk(message.chunkSize);
    const keepsRingBuffer = message.disableRingBufferReallocation;
    const spec: CoderSpec = { kind: 'decompress-brotli', keepsRingBuffer, chunkBytes };
    return { encoding: 'br', statName: 'brotli', maxRatio: MAX_RATIO, spec };
  },
  [ZstdDecompressorSchema.typeName](any, path, findings) {
    const message = findings.unpack(path, any, ZstdDecompressorSchema);
    if (message === undefined) return undefined;
    findings.refuse(`${path}.dictionaries`, message.dictionaries.length > 0);
    const chunkBytes = new NumberReader(path, findings).chunk(message.chunkSize);
    const spec: CoderSpec = { kind: 'decompress-zstd', chunkBytes };
    return { encoding: 'zstd', statName: 'zstd', maxRatio: MAX_RATIO, spec };
  },
};
