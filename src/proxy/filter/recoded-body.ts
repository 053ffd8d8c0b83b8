/** The body of one request or response that a filter compresses or decompresses. */
import type { Counter } from '#observe/metrics-contract.ts';
import type { CreateCoder, Exchange } from './contract.ts';
import { Recoder, type RecoderOwner } from './recoder.ts';
import type { RecoderLibrary } from './recoder-library.ts';

interface RecodedBodyOptions {
  readonly exchange: Exchange;
  readonly slot: number;
  readonly isRequest: boolean;
  readonly library: RecoderLibrary;
  readonly createCoder: CreateCoder;
  /** Of bytes that go in, and that come out. */
  readonly bytesIn: Counter;
  readonly bytesOut: Counter;
  readonly onBroken?: (code: string) => void;
  /** Everything has come; the end follows. */
  readonly onDone?: (recoder: Recoder) => void;
}

const nothing: Buffer = Buffer.alloc(0);

export class RecodedBody implements RecoderOwner {
  readonly #options: RecodedBodyOptions;
  readonly #recoder: Recoder;
  #paused = false;

  constructor(options: RecodedBodyOptions) {
    const { library, createCoder } = options;
    this.#options = options;
    this.#recoder = new Recoder(createCoder(library.spec), this, library.maxRatio);
  }

  /** @returns what goes on in place of the data: nothing, yet */
  write(data: Buffer): Buffer {
    this.#options.bytesIn.inc(data.length);
    if (!this.#recoder.write(data)) this.#pause(true);
    return nothing;
  }

  end(): undefined | 'wait' {
    if (this.#recoder.end()) return 'wait';
    this.#options.onDone?.(this.#recoder);
    return undefined;
  }

  stop(): void {
    this.#recoder.stop();
  }

  onPiece(data: Buffer): void {
    const { exchange, slot, isRequest, bytesOut } = this.#options;
    bytesOut.inc(data.length);
    if (isRequest) exchange.injectRequestData(slot, data);
    else exchange.injectResponseData(slot, data);
  }

  onRoom(): void {
    if (this.#paused) this.#pause(false);
  }

  onDone(): void {
    const { exchange, isRequest, onDone } = this.#options;
    onDone?.(this.#recoder);
    if (isRequest) exchange.resumeRequestEnd();
    else exchange.resumeResponse();
  }

  onBroken(code: string): void {
    this.#options.onBroken?.(code);
  }

  #pause(paused: boolean): void {
    const { exchange, isRequest } = this.#options;
    this.#paused = paused;
    if (isRequest) exchange.pauseRequest(paused);
    else exchange.pauseResponse(paused);
  }
}
