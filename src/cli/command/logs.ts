/** `heddle logs`. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { InvalidArgumentError } from 'commander';
import { didYouMean } from '#core/did-you-mean.ts';
import type { CliCommand } from '../catalogue.ts';
import { CliError } from '../exit.ts';
import { LogTail } from '../log-tail.ts';
import { type FoundMesh, findMesh, logPath, type MeshChoice } from '../mesh-state.ts';
import { addMeshOptions } from '../option/mesh-choice.ts';
import type { Terminal } from '../terminal.ts';

interface LogsOptions extends MeshChoice {
  readonly follow?: boolean;
  readonly tail?: number;
  readonly sidecar?: boolean;
}

const FOLLOW_EVERY_MS = 100;

export const command: CliCommand = {
  name: 'logs',
  register(program, { terminal }): void {
    const logs = program
      .command('logs')
      .summary('Show what an application, a sidecar or the control plane wrote')
      .description(
        'Show what a part of a mesh wrote: a workload (all its instances), an instance, its sidecar, the control plane or a gateway.',
      )
      .argument('<name>', 'such as reviews-v1, reviews-v1-1, reviews-v1-1.sidecar, control')
      .option('-f, --follow', 'go on as it writes more')
      .option('--tail <lines>', 'only the last lines of each', wholeNumber)
      .option('--sidecar', 'what the sidecars wrote, not the applications');
    addMeshOptions(logs)
      .addHelpText(
        'after',
        `
Examples:
  heddle logs reviews-v1
  heddle logs reviews-v1 --sidecar --tail 20
  heddle logs control -f`,
      )
      .action(async (name: string, options: LogsOptions) => {
        const found = findMesh(options);
        const names = logNames(found, name, options.sidecar === true);
        await showLogs(found, names, options, terminal);
      });
  },
};

/** Log files by name: exactly this one, or those of the instances of a workload. */
function logNames({ stateDirectory }: FoundMesh, word: string, sidecars: boolean): readonly string[] {
  const all = existingLogs(stateDirectory);
  if (!sidecars && all.includes(word)) return [word];
  // An instance that has ended has a log too: files are asked, not the list of what runs.
  const name = word.replace(/^[a-z]+\//, '');
  const own = all.filter((log) => sidecars === /\.(sidecar|agent|envoy)$/.test(log));
  const exact = own.filter((log) => log === name || log.startsWith(`${name}.`));
  if (exact.length > 0) return exact;
  const instances = own.filter((log) => log.startsWith(`${name}-`));
  if (instances.length > 0) return instances;
  throw new CliError(`there is no log called ${word}${sidecars ? ' of a sidecar' : ''}`, {
    advice: didYouMean(name, all) ?? `there are: ${all.join(', ')}`,
  });
}

function existingLogs(stateDirectory: string): string[] {
  try {
    return readdirSync(join(stateDirectory, 'logs'))
      .filter((file) => file.endsWith('.log'))
      .map((file) => basename(file, '.log'))
      .sort();
  } catch {
    return [];
  }
}

async function showLogs(
  { stateDirectory }: FoundMesh,
  names: readonly string[],
  { follow, tail }: LogsOptions,
  terminal: Terminal,
): Promise<void> {
  const show = (name: string, line: string): void =>
    terminal.out(names.length > 1 ? `${terminal.outColour.dim(`${name} |`)} ${line}` : line);
  const following = names.map((name) => {
    const bytes = readFileSync(logPath(stateDirectory, name));
    const lines = bytes.toString('utf8').split('\n');
    if (lines.at(-1) === '') lines.pop();
    for (const line of tail === undefined ? lines : lines.slice(Math.max(0, lines.length - tail)))
      show(name, line);
    return { name, log: new LogTail(logPath(stateDirectory, name), bytes.length) };
  });
  while (follow === true) {
    for (const { name, log } of following) for (const line of log.read()) show(name, line);
    await wait(FOLLOW_EVERY_MS);
  }
}

function wholeNumber(text: string): number {
  if (!/^\d+$/.test(text)) throw new InvalidArgumentError('A whole number is needed.');
  return Number(text);
}
