/** `heddle up`: from documents to a running mesh, until somebody stops it. */
import { mkdirSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { adminSocketPath } from '#api/admin-socket.ts';
import { awaitDistribution, requestJoinToken } from '#api/client.ts';
import type { UpOptions } from '#cli/command/up.ts';
import { CliError, EXIT_DATA, EXIT_FAILURE, EXIT_OK } from '#cli/exit.ts';
import { stateDirectoryOf } from '#cli/mesh-state.ts';
import { readTextFiles, type TextFiles, yamlEndings } from '#control/source/text-files.ts';
import { type Lease, leaseNetwork } from '#host/lease.ts';
import { type HeldLock, takeLock } from '#host/lock-file.ts';
import { hubAddresses } from '#host/network/addresses.ts';
import { findNamespaceMeans } from '#host/network/means.ts';
import { lowestBindablePort } from '#host/self.ts';
import { Watchdog } from '#host/watchdog.ts';
import { CapturedNetwork } from './up/captured-network.ts';
import { ClaimFolders } from './up/claim-folders.ts';
import { type MeshDocuments, readMesh, reportProblems } from './up/mesh-documents.ts';
import { endLeftovers } from './up/mesh-file.ts';
import { MeshLogs } from './up/mesh-logs.ts';
import { MeshPlaces } from './up/mesh-places.ts';
import type { MeshServices } from './up/mesh-services.ts';
import { PodFolder } from './up/pods.ts';
import { Progress } from './up/progress.ts';
import { MeshRunner } from './up/runner.ts';
import { MeshSession } from './up/session.ts';
import { StateFolder } from './up/state-folder.ts';

/** Resolves to the exit code when the mesh has stopped; rejects with a {@link CliError} where it cannot start. */
export async function runUp(options: UpOptions): Promise<number> {
  const { terminal, paths } = options;
  const settings = {
    fallbackName: meshNameFrom(paths[0]!),
    lowestPort: lowestBindablePort(),
    capture: options.capture !== 'never',
    ...(options.name !== undefined && { name: options.name }),
  };
  const read = (files: TextFiles): MeshDocuments => readMesh(files, options.allowUnsupported, settings);
  const documents = read(await readTextFiles(paths, yamlEndings));
  reportProblems(documents.problems, terminal);
  if (documents.plan === undefined) return EXIT_DATA;
  if (documents.plan.workloads.length === 0) {
    terminal.err(
      '‼ no Deployment, StatefulSet or Job in these files: a control plane and an ingress will run, and nothing behind them',
    );
  }
  const stateDirectory = resolve(options.state ?? stateDirectoryOf(documents.plan.name));
  mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
  const lockPath = join(stateDirectory, 'runner.lock');
  const lock = lockMesh(lockPath, documents.plan.name);
  const stateFolder = new StateFolder(stateDirectory, lockPath);
  try {
    const leftovers = endLeftovers(stateDirectory);
    const lease = await leaseFor(`${documents.plan.name} ${stateDirectory}`);
    const watchdog = new Watchdog();
    const progress = new Progress(terminal, process.stderr);
    if (leftovers.length > 0) progress.warn(`ended what an earlier run left behind: ${leftovers.join(', ')}`);
    const network = await captureNetwork(options.capture, stateDirectory, progress);
    try {
      const logs = new MeshLogs(stateDirectory);
      const claims = new ClaimFolders(stateDirectory);
      const parts = { stateFolder, lease, watchdog, progress, network, claims };
      const runner = makeRunner(options, documents, parts);
      const session = new MeshSession({
        runner,
        progress,
        logs,
        terminal,
        documents,
        read,
        options,
        stateFolder,
        claims,
      });
      return (await session.run()) ? EXIT_OK : EXIT_FAILURE;
    } finally {
      await network?.close();
      await watchdog.close();
      lease.release();
    }
  } finally {
    stateFolder.close();
    lock.release();
  }
}

/** The folder's name, as a name may be: `examples/My Shop/` gives `my-shop`. */
function meshNameFrom(path: string): string {
  const full = resolve(path);
  const folder = /\.(ya?ml|json)$/.test(full) ? basename(dirname(full)) : basename(full);
  const name = folder
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .replace(/^-+|-+$/g, '');
  return name === '' ? 'mesh' : name;
}

function lockMesh(path: string, name: string): HeldLock {
  const lock = takeLock(path, name);
  if (lock.ok) return lock;
  throw new CliError(`the mesh ${lock.holder.note} runs already, as process ${lock.holder.pid}`, {
    advice: [
      `Stop it with: kill ${lock.holder.pid}   (or Ctrl-C where it was started)`,
      'Or run another beside it, with a name of its own: --name NAME',
    ].join('\n'),
  });
}

async function leaseFor(name: string): Promise<Lease> {
  const leased = await leaseNetwork(name);
  if (leased.ok) return leased;
  if (leased.reason === 'all-taken') {
    throw new CliError('all networks from 127.2.0.0/16 to 127.254.0.0/16 are taken by other meshes');
  }
  throw new CliError(
    'this system has no loopback address but 127.0.0.1, and a mesh needs two for each instance',
    {
      advice: [
        'On macOS add them first, such as for network 2 (as root, gone after a restart):',
        '  for i in 0.1 0.2 $(seq -f 1.%g 1 20) $(seq -f 128.%g 1 20); do ifconfig lo0 alias 127.2.$i; done',
      ].join('\n'),
    },
  );
}

/** Undefined where traffic is not captured; why is said, where it was wanted. */
async function captureNetwork(
  wanted: UpOptions['capture'],
  stateDirectory: string,
  progress: Progress,
): Promise<CapturedNetwork | undefined> {
  if (wanted === 'never') return undefined;
  const found = await findNamespaceMeans(process.env);
  if (found.ok) {
    const network = await CapturedNetwork.open(found.means, stateDirectory);
    progress.done(`traffic is captured, by ${found.means.filter.kind}`);
    return network;
  }
  const { reason, remedy } = found;
  if (wanted === 'always') throw new CliError(`traffic cannot be captured: ${reason}`, { advice: remedy });
  progress.warn(`traffic is not captured: ${reason}`, [
    `to have it captured: ${remedy}`,
    'without that, applications find their sidecars by variables such as http_proxy and HOST',
  ]);
  return undefined;
}

interface RunnerParts {
  readonly stateFolder: StateFolder;
  readonly lease: Lease;
  readonly watchdog: Watchdog;
  readonly progress: Progress;
  readonly network: CapturedNetwork | undefined;
  readonly claims: ClaimFolders;
}

function makeRunner(
  options: UpOptions,
  { plan }: MeshDocuments,
  { stateFolder, lease, watchdog, progress, network, claims }: RunnerParts,
): MeshRunner {
  if (plan === undefined) throw new Error('no plan to run');
  const places = new MeshPlaces(
    stateFolder.path,
    lease.controlAddress,
    network === undefined ? lease.controlAddress : hubAddresses.ipv4,
  );
  const socketPath = adminSocketPath(stateFolder.path);
  const { host, port } = plan.settings.ingress;
  return new MeshRunner(
    {
      plan,
      lease,
      paths: options.paths,
      allowUnsupported: options.allowUnsupported,
      ingress: options.ingress ? { host, port: options.ingressPort ?? port } : undefined,
      onBound(bound): void {
        for (const { number, host, port, wanted } of bound) {
          if (wanted !== undefined) {
            progress.warn(`port ${wanted} is taken: Gateway port ${number} is on ${host}:${port} instead`);
          }
        }
      },
    },
    {
      places,
      network,
      stateFolder,
      pods: new PodFolder(stateFolder),
      claims,
      watchdog,
      trustDomain: plan.settings.trustDomain,
      environment: process.env,
      nodeName: hostname(),
      lowestPort: lowestBindablePort(),
      joinToken: async (subject) => (await requestJoinToken(socketPath, subject)).token,
      distributed: async (timeoutMs) => (await awaitDistribution(socketPath, { timeoutMs })).late,
      tell: teller(progress, places),
    },
  );
}

/** What was said of a thing already, word for word, is not said again at each of its restarts. */
function teller(progress: Progress, places: MeshPlaces): MeshServices['tell'] {
  const said = new Map<string, string>();
  return (level, subject, message, more = []) => {
    const detail = more.join('\n');
    const news = detail !== '' && said.get(subject) !== detail;
    if (news) said.set(subject, detail);
    const log = `log: ${relative(process.cwd(), places.log(subject))}`;
    if (level === 'info') progress.plain(`${subject}: ${message}`);
    else progress.warn(`${subject}: ${message}`, news ? [...more, log] : []);
  };
}
