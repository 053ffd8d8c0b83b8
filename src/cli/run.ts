/**
 * From words on the command line to one command: shows what went wrong with what to do about it, and
 * answers with the exit code.
 */
import { Command, CommanderError } from 'commander';
import { HEDDLE_VERSION } from '#core/version.ts';
import type { CliContext, Register } from './catalogue.ts';
import { CliError, EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from './exit.ts';
import type { Planes } from './planes.ts';
import type { Terminal } from './terminal.ts';

export interface ProgramParts {
  readonly planes: Planes;
  readonly terminal: Terminal;
  readonly register: Register;
}

/**
 * Runs one command line.
 *
 * @param words without the program's name, such as `['up', 'examples/bookstore']`
 * @returns the exit code; never rejects
 */
export async function runCommandLine(words: readonly string[], parts: ProgramParts): Promise<number> {
  try {
    const { exitCode, plane } = await parse(words, parts);
    return plane === undefined ? exitCode : await plane();
  } catch (error) {
    return explain(error, parts.terminal);
  }
}

interface Outcome {
  readonly exitCode: number;
  /** Runs for as long as the process does, when what read the command line is gone. */
  readonly plane: (() => Promise<number>) | undefined;
}

async function parse(
  words: readonly string[],
  { planes, terminal, register }: ProgramParts,
): Promise<Outcome> {
  let exitCode: number = EXIT_OK;
  let plane: Outcome['plane'];
  const context: CliContext = {
    planes,
    terminal,
    run(chosen): void {
      plane = chosen;
    },
    exit(code): void {
      if (exitCode === EXIT_OK) exitCode = code;
    },
  };
  const program = emptyProgram(terminal);
  await register(program, words, context);
  if (words.length === 0) program.outputHelp();
  else await program.parseAsync([...words], { from: 'user' });
  return { exitCode, plane };
}

function emptyProgram(terminal: Terminal): Command {
  return new Command('heddle')
    .description('A service mesh in one program: control plane, sidecar proxy, gateways and command line.')
    .version(`heddle ${HEDDLE_VERSION}`, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show help')
    .helpCommand('help [command]', 'show help for a command')
    .showSuggestionAfterError(true)
    .showHelpAfterError(false)
    .exitOverride()
    .configureOutput({
      writeOut: (text) => terminal.out(text.replace(/\n$/, '')),
      writeErr: (text) => terminal.err(text.replace(/\n$/, '')),
      outputError: (text, write) => write(`${terminal.errColour.bad('✘')} ${text.replace(/^error: /, '')}`),
      getOutHasColors: () => terminal.outColour.on,
      getErrHasColors: () => terminal.errColour.on,
    })
    .addHelpText(
      'after',
      `
Start here:
  heddle up examples/bookstore     run a whole mesh on this machine
  heddle COMMAND --help            options and examples of a command`,
    );
}

/** Says what went wrong; a message for a person for what we foresaw, a stack for what is a bug. */
function explain(error: unknown, terminal: Terminal): number {
  if (error instanceof CommanderError) {
    // Commander has written its message (or the help) already.
    if (error.exitCode === 0) return EXIT_OK;
    if (error.code !== 'commander.help') terminal.err('  Run with --help to see what it takes.');
    return EXIT_USAGE;
  }
  if (error instanceof CliError) {
    terminal.err(`${terminal.errColour.bad('✘')} ${error.message}`);
    if (error.advice !== undefined) for (const line of error.advice.split('\n')) terminal.err(`  ${line}`);
    return error.exitCode;
  }
  terminal.err(`${terminal.errColour.bad('✘')} This is a bug in heddle ${HEDDLE_VERSION}:`);
  terminal.err(error instanceof Error ? (error.stack ?? error.message) : String(error));
  return EXIT_FAILURE;
}
