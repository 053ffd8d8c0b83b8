/** What can be fuzzed: something that takes bytes in any pieces and must not mind. */

export interface FuzzTarget {
  readonly name: string;
  /** Well-formed beginnings, besides those in `corpus/NAME`. */
  readonly seeds: readonly Buffer[];
  /**
   * Feeds a fresh subject. Throws where it does what it must not.
   * @returns all it said, with data in a row joined: the same for every split of the same bytes
   */
  run(pieces: readonly Buffer[]): string;
}
