/** Composition root of `heddle agent`: the certificate of a workload whose proxy is not ours. */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { AgentOptions } from '#cli/command/agent.ts';
import { CliError, EXIT_OK, EXIT_USAGE } from '#cli/exit.ts';
import { hostPort } from '#core/ip-address.ts';
import { removePidFile, writePidFile } from '#host/pid-file.ts';
import { isPathSegment, isTrustDomain, workloadId } from '#identity/spiffe-id.ts';
import type { Logger } from '#observe/log.ts';
import { relayAdmin } from './admin-relay.ts';
import { agentSocketPath, bootstrapFileNames, makeSocketFolder, removeSocketFolder } from './agent-folder.ts';
import { AgentNames } from './agent-names.ts';
import { RequestRefused } from './certificate-client.ts';
import { writeCertificateFiles } from './certificate-files.ts';
import { ENVOY_ADMIN_PORT, envoyBootstrap } from './envoy-bootstrap.ts';
import { probeOfGroup } from './group-probe.ts';
import { grpcBootstrap } from './grpc-bootstrap.ts';
import { joinTokenSource } from './join-token-source.ts';
import type { GroupProbeRun } from './probe/group-probe.ts';
import { openLog } from './process-log.ts';
import { type SdsServer, serveSecrets } from './sds-server.ts';
import { stopSignal } from './stop-signal.ts';
import {
  createWorkloadIdentity,
  type WorkloadCertificate,
  type WorkloadIdentity,
} from './workload-identity.ts';
import type { WorkloadPlace } from './workload-node.ts';

/** Beside that of SDS, whose name is not shorter. */
const ADMIN_SOCKET = 'admin';

/** Runs until SIGTERM or SIGINT; resolves to the exit code. Rejects where the control plane refuses the token. */
export async function runAgent(options: AgentOptions): Promise<number> {
  const log = openLog(options);
  const stopping = stopSignal(log);
  const identity = identityOf(options, log);
  const folder = resolve(options.state);
  const socketPath = options.socket === undefined ? agentSocketPath(folder) : resolve(options.socket);
  const place = placeOf(options);
  const admin = adminWay(options, socketPath);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeBootstraps(options, place, { folder, socketPath, adminSocket: admin?.path });
  const sds = await openSds(socketPath, log);
  const names = options.dnsAddress && new AgentNames(options, place, identity, log);
  let probe: GroupProbeRun | undefined;
  let closeAdmin: (() => Promise<void>) | undefined;
  try {
    const first = await Promise.race([firstCertificate(identity), stopping.asked]);
    if (first === undefined) return EXIT_OK;
    const hand = (certificate: WorkloadCertificate): void => {
      sds.set(certificate);
      writeCertificateFiles(folder, certificate);
    };
    hand(first);
    identity.on('rotate', hand);
    closeAdmin = admin && (await relayAdmin(admin.address, admin.path));
    await names?.start();
    probe = probeOfGroup(options, { place, control: options.control, identity, log });
    await Promise.race([Promise.all([names?.told, probe?.told]), stopping.asked]);
    writePidFile(options.pidFile);
    log.info('agent.ready', { socket: socketPath, until: new Date(first.notAfterMs).toISOString() });
    await stopping.asked;
    return EXIT_OK;
  } finally {
    removePidFile(options.pidFile);
    probe?.close();
    identity.stop();
    await closeAdmin?.();
    await names?.close();
    await sds.close();
    if (admin !== undefined) rmSync(admin.path, { force: true });
    removeSocketFolder(folder, socketPath);
  }
}

function identityOf(options: AgentOptions, log: Logger): WorkloadIdentity {
  const { namespace, serviceAccount, trustDomain, certificateTtlS } = options;
  if (!isTrustDomain(trustDomain) || !isPathSegment(namespace) || !isPathSegment(serviceAccount)) {
    throw new CliError('--trust-domain, --namespace and --service-account make no identity', {
      advice: 'plain names are needed, such as cluster.local, default and storefront',
      exitCode: EXIT_USAGE,
    });
  }
  return createWorkloadIdentity({
    controlAddress: options.control,
    rootCaPem: readRoot(options.rootCa),
    tokenSource: joinTokenSource(options),
    spiffeId: workloadId(trustDomain, { namespace, serviceAccount }).uri,
    ...(certificateTtlS !== undefined && { ttlSeconds: certificateTtlS }),
    log,
  });
}

function readRoot(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    throw new CliError(`the root certificate cannot be read: ${(error as Error).message}`, {
      exitCode: EXIT_USAGE,
    });
  }
}

async function openSds(socketPath: string, log: Logger): Promise<SdsServer> {
  try {
    makeSocketFolder(dirname(socketPath));
    return await serveSecrets(socketPath, log);
  } catch (error) {
    throw new CliError(`secrets cannot be served: ${(error as Error).message}`, { cause: error });
  }
}

async function firstCertificate(identity: WorkloadIdentity): Promise<WorkloadCertificate> {
  try {
    await identity.start();
  } catch (error) {
    if (!(error instanceof RequestRefused)) throw error;
    throw new CliError(error.message, {
      advice:
        'A join token is good for so many uses and so long as was said when it was made: start the agent with a new one.',
      cause: error,
    });
  }
  return identity.current();
}

function placeOf(options: AgentOptions): WorkloadPlace {
  const { labels, name } = options;
  return {
    pod: name,
    namespace: options.namespace,
    workload: options.workload ?? labels.app ?? name,
    serviceAccount: options.serviceAccount,
    labels,
    address: options.address,
    clusterId: options.clusterId,
    meshId: options.meshId,
    interceptionMode: options.interceptionMode,
    ...(options.group !== undefined && { group: options.group }),
    ...(options.instanceIp !== undefined && { instanceIps: options.instanceIp }),
  };
}

/** Where Envoy has its admin interface, and who asks finds it; undefined: at the same place. */
function adminWay(
  { adminAddress, address, interceptionMode }: AgentOptions,
  socketPath: string,
): { readonly address: string; readonly path: string } | undefined {
  if (adminAddress === undefined && interceptionMode === 'NONE') return undefined;
  return {
    address: adminAddress ?? hostPort(address, ENVOY_ADMIN_PORT),
    path: join(dirname(socketPath), ADMIN_SOCKET),
  };
}

interface AgentPaths {
  readonly folder: string;
  readonly socketPath: string;
  /** Of Envoy's admin interface, where the agent leads there. */
  readonly adminSocket: string | undefined;
}

function writeBootstraps(
  { control, rootCa, xds }: AgentOptions,
  place: WorkloadPlace,
  { folder, socketPath, adminSocket }: AgentPaths,
): void {
  write(
    join(folder, bootstrapFileNames.envoy),
    envoyBootstrap({
      ...place,
      secureXds: control,
      rootCertificate: resolve(rootCa),
      sdsSocket: socketPath,
      adminSocket,
    }),
  );
  const plaintextXds = xds ?? `${control.slice(0, control.lastIndexOf(':'))}:15010`;
  write(
    join(folder, bootstrapFileNames.grpc),
    grpcBootstrap({ ...place, plaintextXds, certificateFolder: folder }),
  );
}

/** Whole or not at all: a proxy may be reading it. */
function write(path: string, document: object): void {
  writeFileSync(`${path}.draft`, `${JSON.stringify(document, undefined, 2)}\n`);
  renameSync(`${path}.draft`, path);
}
