/**
 * What tells one message from another. It is made when two of them are compared, or when a start or an update
 * is over: until then the message is kept, which weighs as much again as what was made of it.
 */
import { createHash } from 'node:crypto';
import { inSlices, type Steps } from '#core/time-slice.ts';

const KEPT_MS = 5000;

class Digest {
  #encode: (() => Uint8Array) | undefined;
  #text = '';

  constructor(encode: () => Uint8Array) {
    this.#encode = encode;
  }

  get(): string {
    if (this.#encode !== undefined) {
      this.#text = createHash('sha256').update(this.#encode()).digest('base64');
      this.#encode = undefined;
    }
    return this.#text;
  }
}

/** Not made yet, perhaps. */
let pending: Digest[] = [];

function* makeAll(digests: readonly Digest[]): Steps<void> {
  for (const one of digests) {
    one.get();
    yield;
  }
}

/** @param encode is called once. */
export function digest(encode: () => Uint8Array): () => string {
  const made = new Digest(encode);
  if (pending.length === 0) {
    setTimeout(() => {
      const all = pending;
      pending = [];
      void inSlices(makeAll(all));
    }, KEPT_MS).unref();
  }
  pending.push(made);
  return () => made.get();
}
