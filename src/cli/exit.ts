/**
 * How a command ends: exit codes that scripts can use (sysexits.h where it has one), and the one
 * error that carries a message for the person at the terminal.
 */

/** Everything went well. */
export const EXIT_OK = 0;
/** The command ran and failed, or found what it was told to fail on. */
export const EXIT_FAILURE = 1;
/** The command line itself is wrong (`EX_USAGE`). */
export const EXIT_USAGE = 64;
/** What was read is wrong: YAML that does not parse or does not validate (`EX_DATAERR`). */
export const EXIT_DATA = 65;

/**
 * A failure to show without a stack: what went wrong in `message`, what to do in `advice`.
 * Anything else that reaches the top is a bug and is shown with its stack.
 */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly advice: string | undefined;
  readonly exitCode: number;

  constructor(
    message: string,
    options: { readonly advice?: string; readonly exitCode?: number; readonly cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.advice = options.advice;
    this.exitCode = options.exitCode ?? EXIT_FAILURE;
  }
}
