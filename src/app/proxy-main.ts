/** Where a proxy starts: the commands that run one, and nothing of the others. */
import { command as gateway } from '#cli/command/gateway.ts';
import { command as proxy } from '#cli/command/proxy.ts';
import { command as sidecar } from '#cli/command/sidecar.ts';
import type { Planes } from '#cli/planes.ts';
import { colours } from '#cli/render/colour.ts';
import { runCommandLine } from '#cli/run.ts';
import { processTerminal } from '#cli/terminal.ts';
import { runGateway } from './gateway.ts';
import { runProxy } from './proxy.ts';
import { runSidecar } from './sidecar.ts';
import { endWithReader } from './standard-streams.ts';

const planes: Pick<Planes, 'proxy' | 'sidecar' | 'gateway'> = {
  proxy: runProxy,
  sidecar: runSidecar,
  gateway: runGateway,
};

/**
 * Runs one command line to its end.
 *
 * @param words whose first is `proxy`, `sidecar` or `gateway`
 * @returns the exit code; never rejects
 */
export async function main(words: readonly string[]): Promise<number> {
  endWithReader();
  return runCommandLine(words, {
    planes: planes as Planes,
    terminal: processTerminal(process, process.env, colours),
    register(program, _, context): void {
      for (const command of [proxy, sidecar, gateway]) command.register(program, context);
    },
  });
}
