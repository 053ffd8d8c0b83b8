/** Composition root of `heddle capture`. */
import { readFileSync } from 'node:fs';
import type { CaptureOptions } from '#cli/command/capture.ts';
import { CliError, EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '#cli/exit.ts';
import { printData } from '#cli/render/output.ts';
import { table } from '#cli/render/table.ts';
import type { Terminal } from '#cli/terminal.ts';
import { type CaptureStatus, HostCaptures } from '#host/network/host-capture.ts';
import { findPrograms } from '#host/network/means.ts';

/** Resolves to the exit code; rejects with a {@link CliError} where nothing can be done. */
export async function runCapture(options: CaptureOptions): Promise<number> {
  const { terminal } = options;
  const captures = openCaptures(options.journal);
  try {
    switch (options.verb) {
      case 'install':
        return await install(captures, options);
      case 'uninstall':
        return await uninstall(captures, uidOf(options.uid), terminal);
      case 'status':
        return await status(captures, options);
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw new CliError((error as Error).message, { cause: error });
  }
}

async function status(
  captures: HostCaptures,
  { terminal, output }: Extract<CaptureOptions, { verb: 'status' }>,
): Promise<number> {
  const all = await captures.status();
  await printData(terminal, output, all, () => statusTable(all));
  return all.every(({ state }) => state === 'in force') ? EXIT_OK : EXIT_FAILURE;
}

function openCaptures(journal: string): HostCaptures {
  if (process.platform !== 'linux')
    throw new CliError(`${process.platform} cannot redirect the connections of one user`);
  if (process.getuid?.() !== 0) {
    throw new CliError('only root may change what the kernel does with connections', {
      advice: 'run it with sudo; without root, heddle up captures in namespaces of its own',
    });
  }
  const found = findPrograms(process.env.PATH ?? '', ['ip', 'nft']);
  if (!found.ok) throw new CliError(found.reason, { advice: found.remedy });
  return new HostCaptures(found.programs, journal);
}

async function install(
  captures: HostCaptures,
  options: Extract<CaptureOptions, { verb: 'install' }>,
): Promise<number> {
  const { terminal } = options;
  const uid = uidOf(options.uid);
  if (uid === 0) {
    throw new CliError('the connections of root are not captured', {
      advice: 'the sidecar and all of the system are among them: run the application as a user of its own',
      exitCode: EXIT_USAGE,
    });
  }
  try {
    await captures.install({
      uid,
      includeInboundPorts: options.inboundPorts,
      excludeInboundPorts: [],
      includeOutbound: options.outboundRanges,
      excludeOutbound: options.excludeOutboundRanges,
      includeOutboundPorts: options.outboundPorts,
      excludeOutboundPorts: options.excludeOutboundPorts,
      excludeInterfaces: [],
      dns: options.dns,
    });
  } catch (error) {
    throw new CliError(`nothing is captured: ${(error as Error).message}`, { cause: error });
  }
  terminal.out(`✔ what user ${uid} sends goes to port 15001${inboundWords(options.inboundPorts)}`);
  terminal.out(
    '  Until a sidecar listens there, its connections are refused: heddle sidecar --interception-mode REDIRECT …',
  );
  return EXIT_OK;
}

function inboundWords(ports: readonly number[]): string {
  return ports.length === 0 ? '' : `, what others send to ${ports.join(', ')} to port 15006`;
}

async function uninstall(captures: HostCaptures, uid: number, terminal: Terminal): Promise<number> {
  const left = await captures.uninstall(uid);
  if (left.length === 0) {
    terminal.out(`✔ nothing of user ${uid} is captured: its rules are not in the kernel any more`);
    return EXIT_OK;
  }
  for (const one of left) terminal.err(`✘ left: ${one}`);
  return EXIT_FAILURE;
}

function statusTable(all: readonly CaptureStatus[]): readonly string[] {
  if (all.length === 0) return ['nothing is captured'];
  return table(
    ['UID', 'RULES', 'INBOUND PORTS', 'DNS', 'SINCE'],
    all.map(({ uid, state, installed }) => [
      String(uid),
      state,
      installed === undefined ? '' : String(installed.capture.includeInboundPorts),
      installed === undefined ? '' : installed.capture.dns ? 'yes' : 'no',
      installed?.at ?? '',
    ]),
  );
}

/** Users as /etc/passwd has them. */
function uidOf(user: string): number {
  if (/^\d+$/.test(user)) return Number(user);
  const line = readFileSync('/etc/passwd', 'utf8')
    .split('\n')
    .find((one) => one.startsWith(`${user}:`));
  const uid = line?.split(':')[2];
  if (uid !== undefined) return Number(uid);
  throw new CliError(`there is no user ${JSON.stringify(user)} in /etc/passwd`, {
    advice: 'give the number that `id -u` prints for it',
    exitCode: EXIT_USAGE,
  });
}
