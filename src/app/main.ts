/** Where the program starts: from the words of the command line to one command of the catalogue. */
import { registerAsked } from '#cli/catalogue.ts';
import type { Planes } from '#cli/planes.ts';
import { colours } from '#cli/render/colour.ts';
import { runCommandLine } from '#cli/run.ts';
import { processTerminal } from '#cli/terminal.ts';
import { endWithReader } from './standard-streams.ts';

/** Each plane's code is loaded when its command runs, and not before. */
const planes: Planes = {
  resourceCheck: async () => (await import('#control/translate/envoy-filter/value.ts')).checkPatchValues,
  up: async (options) => (await import('./up.ts')).runUp(options),
  control: async (options) => (await import('./control.ts')).runControl(options),
  sidecar: async (options) => (await import('./sidecar.ts')).runSidecar(options),
  gateway: async (options) => (await import('./gateway.ts')).runGateway(options),
  agent: async (options) => (await import('./agent.ts')).runAgent(options),
  capture: async (options) => (await import('./capture.ts')).runCapture(options),
  doorway: async (options) => (await import('./doorway.ts')).runDoorway(options),
  run: async (options) => (await import('./run.ts')).runApplication(options),
  socketGiver: async (options) => (await import('./socket-giver.ts')).runSocketGiver(options),
  proxy: async (options) => (await import('./proxy.ts')).runProxy(options),
  bootstrap: async (options) => (await import('./bootstrap.ts')).runBootstrap(options),
};

/**
 * Runs one command line to its end.
 *
 * @param words without the program's name, such as `['up', 'examples/bookstore']`
 * @returns the exit code; never rejects
 */
export async function main(words: readonly string[]): Promise<number> {
  endWithReader();
  const terminal = processTerminal(process, process.env, colours);
  return runCommandLine(words, { planes, terminal, register: registerAsked });
}

// In the bundle of `dist/` the caller decides when to start.
if (import.meta.main) process.exitCode = await main(process.argv.slice(2));
