/** Streams that one side reset a while ago: what comes on them is judged otherwise than on those that ended well. */

const FIRST_IDS = 16;
const MAX_IDS = 4096;

/** The last {@link MAX_IDS} ids. */
export class ResetMemory {
  #ids: Int32Array | undefined;
  #count = 0;
  #next = 0;

  add(streamId: number): void {
    let ids = this.#ids;
    if (ids === undefined) {
      ids = new Int32Array(FIRST_IDS);
      this.#ids = ids;
    } else if (this.#count === ids.length && ids.length < MAX_IDS) {
      const grown = new Int32Array(ids.length * 2);
      grown.set(ids);
      this.#next = ids.length;
      this.#ids = grown;
      ids = grown;
    }
    ids[this.#next] = streamId;
    this.#next = (this.#next + 1) % ids.length;
    if (this.#count < ids.length) this.#count++;
  }

  has(streamId: number): boolean {
    return this.#ids?.includes(streamId) ?? false;
  }
}
