/** A body on its way through a compressor or decompressor of the runtime, which works on its own threads. */
import type { Transform } from 'node:stream';

export interface RecoderOwner {
  onPiece(data: Buffer): void;
  /** What was written has been taken, after `write` said that there is too much. */
  onRoom(): void;
  /** Nothing more comes. */
  onDone(): void;
  /** What was written cannot be read; nothing more comes. @param code of the library, such as `Z_DATA_ERROR` */
  onBroken(code: string): void;
}

export class Recoder {
  readonly #stream: Transform;
  readonly #owner: RecoderOwner;
  #broken = false;
  #ended = false;
  bytesIn = 0;
  bytesOut = 0;

  /** @param maxRatio of what comes out to what goes in: more is broken */
  constructor(stream: Transform, owner: RecoderOwner, maxRatio: number = Number.POSITIVE_INFINITY) {
    this.#stream = stream;
    this.#owner = owner;
    stream.on('data', (data: Buffer) => {
      this.bytesOut += data.length;
      if (this.bytesOut > maxRatio * this.bytesIn) this.#break('');
      else owner.onPiece(data);
    });
    stream.on('drain', () => owner.onRoom());
    stream.on('end', () => owner.onDone());
    stream.on('error', (error: NodeJS.ErrnoException) => this.#break(error.code ?? ''));
  }

  /** The data may be used again. @returns whether more may be written */
  write(data: Buffer): boolean {
    this.bytesIn += data.length;
    return this.#broken || this.#stream.write(Buffer.from(data));
  }

  /** @returns whether something is still to come */
  end(): boolean {
    if (this.#broken) return false;
    this.#ended = true;
    this.#stream.end();
    return true;
  }

  stop(): void {
    this.#broken = true;
    this.#stream.destroy();
  }

  #break(code: string): void {
    if (this.#broken) return;
    this.stop();
    this.#owner.onBroken(code);
    if (this.#ended) this.#owner.onDone();
    else this.#owner.onRoom();
  }
}
