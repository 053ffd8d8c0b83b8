/** Counts the messages of a gRPC body by their prefixes, without keeping anything of them. */
import { GRPC_PREFIX_BYTES } from '#http/grpc-message.ts';

export class MessageCounter {
  messages = 0;
  #prefixBytes = 0;
  #length = 0;
  /** Bytes of the message at hand that are still to come. */
  #left = 0;

  read(data: Uint8Array): void {
    let at = 0;
    while (at < data.length) {
      if (this.#left > 0) {
        const taken = Math.min(this.#left, data.length - at);
        this.#left -= taken;
        at += taken;
        continue;
      }
      const byte = data[at++]!;
      if (this.#prefixBytes > 0) this.#length = this.#length * 256 + byte;
      if (++this.#prefixBytes < GRPC_PREFIX_BYTES) continue;
      this.messages++;
      this.#left = this.#length;
      this.#prefixBytes = 0;
      this.#length = 0;
    }
  }
}
