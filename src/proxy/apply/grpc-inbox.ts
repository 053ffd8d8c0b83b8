/**
 * What came of one stream and is not handed over yet: messages are decoded in order and in slices, so that a
 * whole configuration in one message does not hold up traffic, and the end comes after them.
 */
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import { inSlices } from '#core/time-slice.ts';
import { decodeSteps } from '#xds/gradual-decoder.ts';
import type { TransportStatus } from '#xds/transport.ts';

export interface GrpcInboxEvents<Message> {
  onMessage(message: Message): void;
  /** Comes exactly once, last. */
  onEnd(status: TransportStatus): void;
  /** Bytes that do not decode: the call should end. */
  onMalformed(detail: string): void;
}

export class GrpcInbox<Out extends DescMessage> {
  readonly #schema: Out;
  readonly #events: GrpcInboxEvents<MessageShape<Out>>;
  #waiting: Uint8Array[] = [];
  #working = false;
  #dropped = false;
  #end: TransportStatus | undefined;

  constructor(schema: Out, events: GrpcInboxEvents<MessageShape<Out>>) {
    this.#schema = schema;
    this.#events = events;
  }

  take(bytes: Uint8Array): void {
    if (this.#dropped) return;
    this.#waiting.push(bytes);
    if (!this.#working) void this.#work();
  }

  /** Nobody wants what came; the end follows at once. */
  drop(): void {
    this.#dropped = true;
    this.#waiting = [];
  }

  end(status: TransportStatus): void {
    if (this.#working && !this.#dropped) this.#end = status;
    else this.#events.onEnd(status);
  }

  async #work(): Promise<void> {
    this.#working = true;
    for (let bytes = this.#waiting.shift(); bytes !== undefined; bytes = this.#waiting.shift()) {
      try {
        const message = await inSlices(decodeSteps(this.#schema, bytes));
        if (this.#dropped) return;
        this.#events.onMessage(message);
      } catch (error) {
        if (this.#dropped) return;
        this.drop();
        const status = this.#end;
        if (status !== undefined) this.#events.onEnd(status);
        else this.#events.onMalformed(error instanceof Error ? error.message : String(error));
        return;
      }
    }
    this.#working = false;
    if (this.#end !== undefined) this.#events.onEnd(this.#end);
  }
}
