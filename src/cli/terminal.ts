/** Where a command writes: data to `out`, everything else to `err`; colour only where a person looks. */
import type { Colour } from './render/colour.ts';

export interface Terminal {
  /** Data: what a script would read. A line break is added. */
  out(line: string): void;
  /** Progress, warnings and errors. A line break is added. */
  err(line: string): void;
  /** Colours for `out` and for `err`: each follows its own stream. */
  readonly outColour: Colour;
  readonly errColour: Colour;
}

interface OutputStream {
  readonly isTTY?: boolean;
  write(text: string): boolean;
}

/** A terminal over the process's own streams. `NO_COLOR` (no-color.org) and `TERM=dumb` turn colour off. */
export function processTerminal(
  streams: { readonly stdout: OutputStream; readonly stderr: OutputStream },
  environment: Readonly<Record<string, string | undefined>>,
  colours: (on: boolean) => Colour,
): Terminal {
  const wanted = (environment.NO_COLOR ?? '') === '' && environment.TERM !== 'dumb';
  return {
    out: (line) => void streams.stdout.write(`${line}\n`),
    err: (line) => void streams.stderr.write(`${line}\n`),
    outColour: colours(wanted && streams.stdout.isTTY === true),
    errColour: colours(wanted && streams.stderr.isTTY === true),
  };
}
