/** Composition root of `heddle agent`: the certificate of a workload whose proxy is not ours. */
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { AgentOptions } from '#cli/command/agent.ts';
import { CliError, EXIT_OK, EXIT_USAGE } from '#cli/exit.ts';
import { isPathSegment, isTrustDomain, workloadId } from '#identity/spiffe-id.ts';
import type { Logger } from '#observe/log.ts';
import { agentSocketPath, bootstrapFileNames, makeSocketFolder, removeSocketFolder } from './agent-folder.ts';
import { RequestRefused } from './certificate-client.ts';
import { writeCertificateFiles } from './certificate-files.ts';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { grpcBootstrap } from './grpc-bootstrap.ts';
import { joinTokenSource } from './join-token-source.ts';
import { openLog } from './process-log.ts';
import { type SdsServer, serveSecrets } from './sds-server.ts';
import { stopSignal } from './stop-signal.ts';
import {
  createWorkloadIdentity,
  type WorkloadCertificate,
  type WorkloadIdentity,
} from './workload-identity.ts';
import type { WorkloadPlace } from './workload-node.ts';

/** Runs until SIGTERM or SIGINT; resolves to the exit code. Rejects where the control plane refuses the token. */
export async function runAgent(options: AgentOptions): Promise<number> {
  const log = openLog(options);
  const stopping = stopSignal(log);
  const identity = identityOf(options, log);
  const folder = resolve(options.state);
  const socketPath = options.socket === undefined ? agentSocketPath(folder) : resolve(options.socket);
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeBootstraps(options, folder, socketPath);
  const sds = await openSds(socketPath, log);
  try {
    const first = await Promise.race([firstCertificate(identity), stopping.asked]);
    if (first === undefined) return EXIT_OK;
    const hand = (certificate: WorkloadCertificate): void => {
      sds.set(certificate);
      writeCertificateFiles(folder, certificate);
    };
    hand(first);
    identity.on('rotate', hand);
    log.info('agent.ready', { socket: socketPath, until: new Date(first.notAfterMs).toISOString() });
    await stopping.asked;
    return EXIT_OK;
  } finally {
    identity.stop();
    await sds.close();
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
      advice: 'A join token is good once and for five minutes: start the agent with a new one.',
      cause: error,
    });
  }
  return identity.current();
}

function writeBootstraps(options: AgentOptions, folder: string, socketPath: string): void {
  const { control, labels, name } = options;
  const place: WorkloadPlace = {
    pod: name,
    namespace: options.namespace,
    workload: options.workload ?? labels.app ?? name,
    serviceAccount: options.serviceAccount,
    labels,
    address: options.address,
    clusterId: options.clusterId,
    meshId: options.meshId,
  };
  const rootCertificate = resolve(options.rootCa);
  write(
    join(folder, bootstrapFileNames.envoy),
    envoyBootstrap({ ...place, secureXds: control, rootCertificate, sdsSocket: socketPath }),
  );
  const plaintextXds = options.xds ?? `${control.slice(0, control.lastIndexOf(':'))}:15010`;
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
