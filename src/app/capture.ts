/** Composition root of `heddle capture`. */
import { readFileSync } from 'node:fs';
import type { CaptureOptions } from '#cli/command/capture.ts';
import { CliError, EXIT_FAILURE, EXIT_OK, EXIT_USAGE } from '#cli/exit.ts';
import { printData } from '#cli/render/output.ts';
import { table } from '#cli/render/table.ts';
import type { Terminal } from '#cli/terminal.ts';
import { type Cgroup, cgroupPath, findCgroup } from '#host/network/cgroup.ts';
import { type CaptureStatus, HostCaptures } from '#host/network/host-capture.ts';
import { findPrograms } from '#host/network/means.ts';
import { findFilters } from '#host/network/packet-filter.ts';
import { describeSender, type Sender } from '#host/network/sender.ts';

/** Resolves to the exit code; rejects with a {@link CliError} where nothing can be done. */
export async function runCapture(options: CaptureOptions): Promise<number> {
  const { terminal } = options;
  const captures = await openCaptures(options.journal);
  try {
    switch (options.verb) {
      case 'install':
        return await install(captures, options);
      case 'uninstall':
        return await uninstall(captures, senderToRemove(options.sender), terminal);
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

async function openCaptures(journal: string): Promise<HostCaptures> {
  if (process.platform !== 'linux')
    throw new CliError(`${process.platform} cannot redirect the connections of one user or cgroup`);
  if (process.getuid?.() !== 0) {
    throw new CliError('only root may change what the kernel does with connections', {
      advice: 'run it with sudo; without root, heddle up captures in namespaces of its own',
    });
  }
  const path = process.env.PATH ?? '';
  const filters = await findFilters(path);
  const found = findPrograms(path, ['ip', 'unshare'], filters.length > 0);
  if (!found.ok) throw new CliError(found.reason, { advice: found.remedy });
  return new HostCaptures({ ...found.programs, filters }, journal);
}

async function install(
  captures: HostCaptures,
  options: Extract<CaptureOptions, { verb: 'install' }>,
): Promise<number> {
  const { terminal } = options;
  const { sender, cgroup } = senderToCapture(options.sender);
  let by: string;
  try {
    const capture = {
      ...sender,
      includeInboundPorts: options.inboundPorts,
      excludeInboundPorts: [],
      includeOutbound: options.outboundRanges,
      excludeOutbound: options.excludeOutboundRanges,
      includeOutboundPorts: options.outboundPorts,
      excludeOutboundPorts: options.excludeOutboundPorts,
      excludeInterfaces: [],
      dns: options.dns,
    };
    by = await captures.install(capture, cgroup);
  } catch (error) {
    throw new CliError(`nothing is captured: ${(error as Error).message}`, { cause: error });
  }
  terminal.out(
    `✔ what ${describeSender(sender)} sends goes to port 15001${inboundWords(options.inboundPorts)} (${by})`,
  );
  terminal.out(
    '  Until a sidecar listens there, its connections are refused: heddle sidecar --interception-mode REDIRECT …',
  );
  return EXIT_OK;
}

function inboundWords(ports: readonly number[]): string {
  return ports.length === 0 ? '' : `, what others send to ${ports.join(', ')} to port 15006`;
}

async function uninstall(captures: HostCaptures, sender: Sender, terminal: Terminal): Promise<number> {
  const left = await captures.uninstall(sender);
  if (left.length === 0) {
    terminal.out(
      `✔ nothing of ${describeSender(sender)} is captured: its rules are not in the kernel any more`,
    );
    return EXIT_OK;
  }
  for (const one of left) terminal.err(`✘ left: ${one}`);
  return EXIT_FAILURE;
}

function statusTable(all: readonly CaptureStatus[]): readonly string[] {
  if (all.length === 0) return ['nothing is captured'];
  const rows = table(
    ['WHOSE', 'RULES', 'BY', 'INBOUND PORTS', 'DNS', 'SINCE'],
    all.map(({ key, state, by, installed }) => [
      whose(key, installed),
      state,
      by ?? '',
      installed === undefined ? '' : String(installed.capture.includeInboundPorts),
      installed === undefined ? '' : installed.capture.dns ? 'yes' : 'no',
      installed?.at ?? '',
    ]),
  );
  const reasons = all.flatMap(({ key, reason, installed }) =>
    reason === undefined ? [] : [`✘ ${whose(key, installed)}: ${reason}`],
  );
  return [...rows, ...reasons];
}

/** Of rules that nobody wrote down, what they are known by in the kernel. */
function whose(key: string, installed: CaptureStatus['installed']): string {
  return installed === undefined ? key.replace('_', ' ') : describeSender(installed.capture);
}

type Given = Extract<CaptureOptions, { verb: 'install' }>['sender'];

/** @throws a {@link CliError} where it cannot be captured */
function senderToCapture(given: Given): { readonly sender: Sender; readonly cgroup?: Cgroup } {
  if (given.kind === 'cgroup') {
    const found = findCgroup(given.path);
    if (found.ok) return { sender: { cgroup: { path: found.cgroup.path } }, cgroup: found.cgroup };
    throw new CliError(`nothing is captured: ${found.reason}`, {
      advice: found.remedy,
      exitCode: EXIT_USAGE,
    });
  }
  const uid = uidOf(given.user);
  if (uid !== 0) return { sender: { uid } };
  throw new CliError('the connections of root are not captured', {
    advice:
      'the sidecar and all of the system are among them: run the application as a user of its own, or in a cgroup',
    exitCode: EXIT_USAGE,
  });
}

/** It need not be there any more. */
function senderToRemove(given: Given): Sender {
  return given.kind === 'uid' ? { uid: uidOf(given.user) } : { cgroup: { path: cgroupPath(given.path) } };
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
