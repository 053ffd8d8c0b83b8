/** ANSI colours behind words of meaning, so that a command never says "red". */

export type Paint = (text: string) => string;

export interface Colour {
  readonly on: boolean;
  readonly good: Paint;
  readonly warn: Paint;
  readonly bad: Paint;
  readonly dim: Paint;
  readonly strong: Paint;
}

const plain: Paint = (text) => text;

/** Each colour with its own end code, so that paints nest (ECMA-48 SGR). */
const paint =
  (start: number, end: number): Paint =>
  (text) =>
    `\u001b[${start}m${text}\u001b[${end}m`;

/** Colours, or paints that leave the text as it is. */
export function colours(on: boolean): Colour {
  if (!on) return { on, good: plain, warn: plain, bad: plain, dim: plain, strong: plain };
  return {
    on,
    good: paint(32, 39),
    warn: paint(33, 39),
    bad: paint(31, 39),
    dim: paint(2, 22),
    strong: paint(1, 22),
  };
}
