/** The whole program as one function: from `process.argv` to one command of the catalogue. */
import type { Planes } from '#cli/planes.ts';
import { colours } from '#cli/render/colour.ts';
import { runCommandLine } from '#cli/run.ts';
import { processTerminal } from '#cli/terminal.ts';

/** Each plane's code is loaded when its command runs, and not before. */
const planes: Planes = {
  up: async (options) => (await import('./up.ts')).runUp(options),
  control: async (options) => (await import('./control.ts')).runControl(options),
  sidecar: async (options) => (await import('./sidecar.ts')).runSidecar(options),
  gateway: async (options) => (await import('./gateway.ts')).runGateway(options),
  agent: async (options) => (await import('./agent.ts')).runAgent(options),
  proxy: async (options) => (await import('./proxy.ts')).runProxy(options),
  bootstrap: async (options) => (await import('./bootstrap.ts')).runBootstrap(options),
};

/** Runs the process's command line to its end and sets the exit code. */
export async function main(): Promise<void> {
  // A reader that went away (`heddle get | head`) is not an error of ours.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(0);
    throw error;
  });
  const terminal = processTerminal(process, process.env, colours);
  process.exitCode = await runCommandLine(process.argv.slice(2), { planes, terminal });
}
