/** How long requests took, in bins of two digits (Envoy's histogram, https://arxiv.org/abs/2001.06561). */

const BINS_PER_DECADE = 100;

export class Latencies {
  readonly #bins = new Map<number, number>();
  count = 0;

  /** @param value in microseconds; below 1 is 1 */
  add(value: number): void {
    const bounded = Math.max(1, Math.floor(value));
    const exponent = Math.floor(Math.log10(bounded));
    const digits = Math.min(99, Math.floor(bounded / 10 ** (exponent - 1)));
    const bin = exponent * BINS_PER_DECADE + digits;
    this.#bins.set(bin, (this.#bins.get(bin) ?? 0) + 1);
    this.count++;
  }

  clear(): void {
    this.#bins.clear();
    this.count = 0;
  }

  /** Evenly within a bin. @param ratio 0 to 1 */
  quantile(ratio: number): number {
    const wanted = ratio * this.count;
    let before = 0;
    let end = 0;
    for (const [bin, count] of [...this.#bins].sort(([a], [b]) => a - b)) {
      const width = 10 ** (Math.floor(bin / BINS_PER_DECADE) - 1);
      const start = (bin % BINS_PER_DECADE) * width;
      if (before + count >= wanted) return Math.floor(start + ((wanted - before) / count) * width);
      before += count;
      end = start + width;
    }
    return Math.floor(end);
  }
}
