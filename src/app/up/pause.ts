/** A wait that somebody may cut short. */
export class Pause {
  #wake: (() => void) | undefined;
  #ended = false;

  /** One at a time; at once when it was ended before. */
  wait(milliseconds: number): Promise<void> {
    if (this.#ended) return Promise.resolve();
    return new Promise((resolve) => {
      const end = (): void => {
        clearTimeout(timer);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(end, milliseconds);
      this.#wake = end;
    });
  }

  get ended(): boolean {
    return this.#ended;
  }

  /** For good. */
  end(): void {
    this.#ended = true;
    this.#wake?.();
  }
}
