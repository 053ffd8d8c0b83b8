/** Composition root of `heddle run`: a network, a sidecar and an application, which start in this order and end in reverse. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isatty } from 'node:tty';
import type { RunOptions } from '#cli/command/run.ts';
import { CliError } from '#cli/exit.ts';
import { hostPort } from '#core/ip-address.ts';
import { bindListeningSocket, closeDescriptor } from '#host/bound-socket.ts';
import { anyFreePort } from '#host/free-port.ts';
import { findNamespaceMeans, type NamespaceMeans } from '#host/network/means.ts';
import { pathBeforeStart } from '#host/self.ts';
import { Watchdog } from '#host/watchdog.ts';
import { Application, codeOfSignal } from './run/application.ts';
import { ApplicationNetwork } from './run/application-network.ts';
import { ApplicationSidecar } from './run/application-sidecar.ts';
import { findPlace, hasIpv6 } from './run/place.ts';
import { checkProgram } from './run/program.ts';
import { type PassedSignal, Signals } from './run/signals.ts';
import { runToken } from './run/token.ts';
import { Pause } from './up/pause.ts';

/** Somebody who waits this long is told what for. */
const PATIENCE_MS = 5_000;

/** Resolves to the exit code of the application; rejects with a {@link CliError} where it cannot be started. */
export async function runApplication(options: RunOptions): Promise<number> {
  const path = pathBeforeStart(process.env.PATH);
  checkProgram(options.command[0]!, path);
  const found = await findNamespaceMeans(process.env);
  if (!found.ok) {
    throw new CliError(`there can be no network for an application here: ${found.reason}`, {
      advice: found.remedy,
    });
  }
  const signals = new Signals([0, 1, 2].some((fd) => isatty(fd)));
  const watchdog = new Watchdog();
  const ends = new AsyncDisposableStack();
  ends.defer(() => watchdog.close());
  ends.defer(() => signals.close());
  try {
    const parts = await makeParts(options, found.means, { watchdog, ends });
    return await runWith(parts, { options, signals, path });
  } finally {
    await ends.disposeAsync();
  }
}

interface Making {
  readonly watchdog: Watchdog;
  /** What is made is ended by these, the last first. */
  readonly ends: AsyncDisposableStack;
}

interface Parts {
  readonly network: ApplicationNetwork;
  readonly sidecar: ApplicationSidecar;
}

async function makeParts(options: RunOptions, means: NamespaceMeans, making: Making): Promise<Parts> {
  const { watchdog, ends } = making;
  const tell = teller(options);
  const token = await runToken(options);
  if (options.state !== undefined) mkdirSync(options.state, { recursive: true, mode: 0o700 });
  const folder = mkdtempSync(join(process.env.XDG_RUNTIME_DIR ?? tmpdir(), 'heddle-run-'));
  watchdog.watchFolder(folder);
  ends.defer(() => rmSync(folder, { recursive: true, force: true }));
  const place = await findPlace(options);
  const admin = await adminSocket(options);
  ends.defer(() => {
    for (const { fd } of [...place.sockets, admin]) closeDescriptor(fd);
  });
  const network = await ApplicationNetwork.open({
    means,
    folder,
    namespace: options.namespace,
    hasIpv6: hasIpv6(),
    watchdog,
    tell,
  }).catch((error: Error) => {
    throw new CliError(`the application cannot have a network of its own: ${error.message}`, {
      cause: error,
    });
  });
  ends.defer(() => network.close());
  const sidecar = new ApplicationSidecar({
    options,
    place,
    adminAddress: admin.address,
    sockets: [...network.sockets, ...place.sockets, admin],
    folder,
    token,
    pid: network.pid,
    doorway: network.doorway,
    watchdog,
    tell,
  });
  ends.defer(() => sidecar.stop());
  // What is left of the application calls nobody any more.
  ends.defer(() => network.endApplications());
  return { network, sidecar };
}

interface Running {
  readonly options: RunOptions;
  readonly signals: Signals;
  /** `PATH` of the application. */
  readonly path: string | undefined;
}

async function runWith({ network, sidecar }: Parts, { options, signals, path }: Running): Promise<number> {
  sidecar.start();
  let told: string | undefined;
  const patience = setInterval(() => {
    const { reason } = sidecar;
    if (reason === told) return;
    told = reason;
    const why = reason === '' ? '' : `: ${reason}`;
    teller(options)(`waiting for the control plane at ${options.controlPlane}${why}`);
  }, PATIENCE_MS);
  const interrupted = await Promise.race([sidecar.ready, signals.asked]).finally(() =>
    clearInterval(patience),
  );
  if (interrupted !== undefined) return codeOfSignal(interrupted);
  const application = new Application([...network.enter(process.cwd()), ...options.command], {
    ...process.env,
    PATH: path,
  });
  const pause = new Pause();
  let left: Promise<void> | undefined;
  signals.passTo((signal) => {
    if (!isCalled(options) || !isEnding(signal)) {
      application.signal(signal);
      return;
    }
    // Asked again, it does not wait for others.
    if (left === undefined) left = sidecar.leave(pause);
    else pause.end();
    void left.then(() => application.signal(signal));
  });
  const code = await application.ended;
  pause.end();
  return code;
}

/** Whether an application that others call is left out before it gets the signal. */
function isEnding(signal: PassedSignal): boolean {
  return signal === 'SIGTERM' || signal === 'SIGINT';
}

/** Whether others are sent to it. */
function isCalled({ service, group }: RunOptions): boolean {
  return (service ?? group) !== undefined;
}

async function adminSocket({
  adminAddress,
}: RunOptions): Promise<{ readonly address: string; readonly fd: number }> {
  const colon = adminAddress?.lastIndexOf(':') ?? -1;
  const host = adminAddress?.slice(0, colon).replace(/^\[|\]$/g, '') ?? '127.0.0.1';
  const wanted = Number(adminAddress?.slice(colon + 1) ?? 0);
  const port = wanted === 0 ? await anyFreePort(host) : wanted;
  try {
    return { address: hostPort(host, port), fd: bindListeningSocket(host, port) };
  } catch (error) {
    throw new CliError(`cannot listen on ${hostPort(host, port)}: ${(error as NodeJS.ErrnoException).code}`, {
      advice: 'Name another address of this host for the admin interface with --admin-address.',
      cause: error,
    });
  }
}

function teller({ terminal }: RunOptions): (message: string, more?: readonly string[]) => void {
  return (message, more = []) => {
    terminal.err(`${terminal.errColour.warn('‼')} heddle: ${message}`);
    for (const line of more) terminal.err(`    ${line}`);
  };
}
