/** Where a giver of sockets starts: one for each application, and nothing of other commands. */
import { command } from '#cli/command/socket-giver.ts';
import type { Planes } from '#cli/planes.ts';
import { colours } from '#cli/render/colour.ts';
import { runCommandLine } from '#cli/run.ts';
import { processTerminal } from '#cli/terminal.ts';
import { runSocketGiver } from './socket-giver.ts';

const planes: Pick<Planes, 'socketGiver'> = { socketGiver: runSocketGiver };

/**
 * Runs one command line to its end.
 *
 * @param words whose first is `socket-giver`
 * @returns the exit code; never rejects
 */
export function main(words: readonly string[]): Promise<number> {
  return runCommandLine(words, {
    planes: planes as Planes,
    terminal: processTerminal(process, process.env, colours),
    register: (program, _, context) => command.register(program, context),
  });
}
