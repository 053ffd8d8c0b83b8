/**
 * What `heddle sidecar` and `heddle gateway` are: a proxy with an identity of its own, configured by
 * the control plane over ADS, with readiness and metrics on ports of their own. The private key
 * never leaves this process: secrets are given to the data path directly.
 */
import { readFileSync } from 'node:fs';
import { create } from '@bufbuild/protobuf';
import { CliError, EXIT_DATA, EXIT_FAILURE, EXIT_OK } from '#cli/exit.ts';
import type { DnsOptions } from '#cli/option/dns.ts';
import type { GroupOptions } from '#cli/option/group.ts';
import type { WorkloadProxyOptions } from '#cli/option/workload-proxy.ts';
import { duplicateDescriptor } from '#host/duplicate-descriptor.ts';
import { inheritedSocket, succeededSocket } from '#host/inherited-sockets.ts';
import { SIDECAR_MARK } from '#host/network/sidecar-mark.ts';
import { SO_MARK, SOL_SOCKET } from '#host/socket-options.ts';
import { handedSocketStock } from '#host/socket-stock.ts';
import { type Logger, sharedLogLevels } from '#observe/log.ts';
import { prometheusContentType } from '#observe/prometheus.ts';
import { plainView } from '#observe/stats-view.ts';
import { textReply } from '#proxy/admin/contract.ts';
import type { Answer } from '#proxy/admin/page-connection.ts';
import { type RunningServer, type ServeAddress, servePages } from '#proxy/admin/server.ts';
import { createSecretStore } from '#proxy/apply/secret-store.ts';
import type { BootstrapSettings } from '#proxy/bootstrap/settings.ts';
import type { SecretMaterial } from '#proxy/contract.ts';
import { adsSource } from '#proxy/resource-source.ts';
import { CommandLineOptionsSchema } from '#xds/gen/envoy/admin/v3/server_info_pb.js';
import {
  type Bootstrap,
  BootstrapSchema,
  type ClusterManager,
  ClusterManagerSchema,
} from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import {
  ApiConfigSource_ApiType,
  ApiConfigSourceSchema,
  ApiVersion,
  ConfigSourceSchema,
} from '#xds/gen/envoy/config/core/v3/config_source_pb.js';
import { SocketOptionSchema } from '#xds/gen/envoy/config/core/v3/socket_option_pb.js';
import { ApplicationHealth } from './application-health.ts';
import { readCertificateFiles, writeCertificateFiles } from './certificate-files.ts';
import { controlTransport } from './control-channel.ts';
import { probeOfGroup } from './group-probe.ts';
import { type OwnNodeType, ownNode } from './introduce.ts';
import { joinTokenSource } from './join-token-source.ts';
import { openLog } from './process-log.ts';
import {
  type ProxyProcess,
  type ProxyProcessOptions,
  problemTexts,
  startProxyProcess,
  stopInOrder,
} from './proxy-process.ts';
import { type ServingThreads, servingThreads } from './serving.ts';
import { type StopSignal, stopSignal } from './stop-signal.ts';
import { Succession } from './succession.ts';
import { WorkloadDns } from './workload-dns.ts';
import {
  createWorkloadIdentity,
  type WorkloadCertificate,
  type WorkloadIdentity,
} from './workload-identity.ts';
import type { ServiceRegistration, WorkloadPlace } from './workload-node.ts';

/** Names the control plane gives to the secrets of every workload, and to the cluster that serves them (Istio's). */
const CERTIFICATE_SECRET = 'default';
const ROOT_SECRET = 'ROOTCA';
const SECRET_CLUSTER = 'sds-grpc';

/** Well-known ports on the address of the instance. */
const ADMIN_PORT = 15_000;
const READINESS_PORT = 15_021;
const METRICS_PORT = 15_090;

const INITIAL_FETCH_TIMEOUT_MS = 15_000;
const STATS_FLUSH_INTERVAL_MS = 5000;

type NodeType = Exclude<OwnNodeType, 'agent'>;

/** One of the small servers beside the data path, and what its socket is called where it is handed over. */
interface BesideServer {
  readonly key: string;
  readonly server: RunningServer;
}

/** Runs until SIGTERM, SIGINT or a hot restart; resolves to the exit code. */
export async function runWorkloadProxy(
  type: NodeType,
  options: WorkloadProxyOptions & DnsOptions & Partial<GroupOptions>,
): Promise<number> {
  const threads = servingThreads(options.concurrency);
  const log = openLog(options, threads && sharedLogLevels(threads.logLevel));
  const stopping = stopSignal(log);
  const succession = await Succession.begin(options, log);
  const identity = workloadIdentity(options, succession.predecessor?.estate.certificate, log);
  const stopped = await obtainCertificate(identity, stopping);
  if (stopped) return EXIT_OK;
  const { control, metadata } = options;
  const registered = registeredHealth(options);
  const probe = probeOfGroup(options, {
    place: placeOf(options),
    metadata,
    control,
    identity,
    log,
    ...(registered && { report: (failure) => registered.setProbed(failure) }),
  });
  // Before anybody can call it: what it registers is not healthy until its probe says so.
  await Promise.race([probe?.told, stopping.asked]);
  const dns = options.dnsAddress && new WorkloadDns(options, log);
  const process = await start(type, options, {
    identity,
    log,
    stopping,
    threads,
    dns,
    succession,
    health: registered,
  });
  const servers = await serveBeside(options, process, dns, identity);
  registered?.start((failure) => process.reportHealth(failure));
  log.info(`${type}.started`, { name: options.name, admin: process.adminAddress });
  const closeBeside = async (): Promise<void> => {
    await dns?.close();
    for (const { server } of servers) await server.close();
  };
  await succession.serves({
    openSockets: async () => [
      ...(await process.openSockets()),
      ...(dns?.openSockets() ?? []),
      ...servers.flatMap(({ key, server }) => {
        const fd = duplicateDescriptor(server.server);
        return fd === undefined ? [] : [{ key, fd }];
      }),
    ],
    certificate: () => identity.current(),
  });
  const replaced = await succession.untilEnd(stopping);
  probe?.close();
  identity.stop();
  registered?.stop();
  if (replaced) {
    await closeBeside();
    await process.leave();
  }
  await stopInOrder(process, stopping);
  if (!replaced) await closeBeside();
  return EXIT_OK;
}

function workloadIdentity(
  options: WorkloadProxyOptions,
  held: WorkloadCertificate | undefined,
  log: Logger,
): WorkloadIdentity {
  const {
    trustDomain,
    namespace,
    serviceAccount,
    rootCa,
    certificateTtlS,
    certificateFolder: folder,
  } = options;
  const spiffeId = `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`;
  let rootCaPem: string;
  try {
    rootCaPem = readFileSync(rootCa, 'utf8');
  } catch (error) {
    throw new CliError(`cannot read the root certificate: ${(error as Error).message}`, {
      exitCode: EXIT_DATA,
    });
  }
  const wanted = { spiffeId, rootCaPem, nowMs: Date.now() };
  const kept = folder === undefined ? undefined : readCertificateFiles(folder, wanted);
  const identity = createWorkloadIdentity({
    controlAddress: options.control,
    rootCaPem,
    tokenSource: joinTokenSource(options),
    spiffeId,
    ...(certificateTtlS === undefined ? {} : { ttlSeconds: certificateTtlS }),
    held: held ?? kept,
    log,
  });
  if (folder !== undefined) keepCertificate(identity, folder, log);
  return identity;
}

/** What is in force is there for a process that takes the place of this one after a crash. */
function keepCertificate(identity: WorkloadIdentity, folder: string, log: Logger): void {
  const keep = (certificate: WorkloadCertificate): void => {
    try {
      writeCertificateFiles(folder, certificate);
    } catch (error) {
      log.error('identity.not-kept', { folder, error: (error as Error).message });
    }
  };
  identity.on('obtain', keep);
}

/** True where it was told to stop before there was a certificate. */
async function obtainCertificate(identity: WorkloadIdentity, stopping: StopSignal): Promise<boolean> {
  const started = identity.start().then(
    () => undefined,
    (error: unknown) => error as Error,
  );
  const outcome = await Promise.race([started, stopping.asked.then(() => 'stopped' as const)]);
  if (outcome === undefined) return false;
  identity.stop();
  if (outcome === 'stopped') return true;
  throw new CliError(`no certificate: ${outcome.message}`, {
    advice:
      'A join token is good for so many uses and so long as was said when it was made. A new one: heddle token create',
    cause: outcome,
  });
}

interface Parts {
  readonly identity: WorkloadIdentity;
  readonly log: Logger;
  readonly stopping: StopSignal;
  readonly threads: ServingThreads | undefined;
  readonly dns: WorkloadDns | undefined;
  readonly succession: Succession;
  /** Of an application that is registered. */
  readonly health: ApplicationHealth | undefined;
}

/** Undefined where the control plane knows of the application by other ways. */
function registeredHealth({
  applicationPid: pid,
  metadata,
}: WorkloadProxyOptions): ApplicationHealth | undefined {
  if (pid === undefined) return undefined;
  const { HEDDLE_REGISTRATION: registration, AUTO_REGISTER_GROUP: group } = metadata as {
    HEDDLE_REGISTRATION?: ServiceRegistration;
    AUTO_REGISTER_GROUP?: string;
  };
  const ports = registration?.ports.map(({ number }) => number) ?? [];
  return new ApplicationHealth({ pid, ports, isProbed: group !== undefined });
}

async function start(type: NodeType, options: WorkloadProxyOptions, parts: Parts): Promise<ProxyProcess> {
  const { identity, log, stopping } = parts;
  const held = identity.current();
  const started = await startProxyProcess(processOptions(type, options, parts));
  if (!started.ok) {
    identity.stop();
    throw new CliError(`cannot start:\n  ${problemTexts(started.problems).join('\n  ')}`, {
      exitCode: EXIT_FAILURE,
    });
  }
  const { process } = started;
  const adopt = (certificate: WorkloadCertificate): void => {
    for (const [name, material] of secretsOf(certificate)) process.setSecret(name, material);
  };
  identity.on('rotate', adopt);
  if (identity.current() !== held) adopt(identity.current());
  void stopping.asked.then(() => identity.off('rotate', adopt));
  log.debug('identity.in-force', { until: new Date(identity.current().notAfterMs).toISOString() });
  return process;
}

function secretsOf({
  rootCaPem,
  certificateChainPem,
  privateKeyPem,
}: WorkloadCertificate): Map<string, SecretMaterial> {
  return new Map([
    [ROOT_SECRET, { trustedCaPem: rootCaPem }],
    [CERTIFICATE_SECRET, { certificateChainPem, privateKeyPem }],
  ]);
}

function processOptions(
  type: NodeType,
  options: WorkloadProxyOptions,
  { identity, log, stopping, threads, dns, succession, health }: Parts,
): ProxyProcessOptions {
  const bootstrap = bootstrapOf(type, options);
  const settings: BootstrapSettings = {
    admin: hostPort(options.adminAddress, options.address, ADMIN_PORT),
    adminLogPaths: [],
    ads: { protocol: 'delta', services: [{ cluster: 'xds-grpc', initialMetadata: [] }] },
    listeners: adsSource,
    clusters: adsSource,
    initialFetchTimeoutMs: INITIAL_FETCH_TIMEOUT_MS,
    statsFlushIntervalMs: STATS_FLUSH_INTERVAL_MS,
    overload: undefined,
    runtimeLayers: [],
    statsView: plainView,
    upstreamBindConfig: bootstrap.clusterManager?.upstreamBindConfig,
    outlierLogPath: bootstrap.clusterManager?.outlierDetection?.eventLogPath || undefined,
  };
  return {
    loaded: {
      bootstrap,
      locate: (problem) => problem,
      place: (problem) => problem,
    },
    settings,
    commandLine: create(CommandLineOptionsSchema, {
      concurrency: threads?.count ?? 1,
      logLevel: options.logLevel,
    }),
    secrets: createSecretStore(),
    held: secretsOf(identity.current()),
    ownSecrets: new Set([SECRET_CLUSTER]),
    unknownFields: 'warn',
    needsConfiguration: true,
    keptConfigurationPath: options.keptConfiguration,
    transportTo: () => controlTransport(options.control, identity),
    initialFailure: health?.failure,
    healthFailed: health && ((failed) => health.setLeaving(failed)),
    adoptNames: dns && ((table) => dns.adopt(table)),
    threads,
    drainTimeMs: options.drainTimeS * 1000,
    log,
    stopping,
    succession,
  };
}

/** The kernel redirects what it does not know to be the proxy's own. */
function markingManager(): ClusterManager {
  const mark = create(SocketOptionSchema, {
    level: BigInt(SOL_SOCKET),
    name: BigInt(SO_MARK),
    value: { case: 'intValue', value: BigInt(SIDECAR_MARK) },
  });
  return create(ClusterManagerSchema, { upstreamBindConfig: { socketOptions: [mark] } });
}

function placeOf(options: WorkloadProxyOptions & Partial<GroupOptions>): WorkloadPlace {
  const { name, labels, workload = labels.app ?? name, instanceIp } = options;
  return { ...options, pod: name, workload, ...(instanceIp !== undefined && { instanceIps: instanceIp }) };
}

/** What an Envoy in this place would be given; shown by `/config_dump`. */
function bootstrapOf(type: NodeType, options: WorkloadProxyOptions): Bootstrap {
  const node = ownNode(type, placeOf(options), options.metadata);
  const ads = create(ConfigSourceSchema, {
    resourceApiVersion: ApiVersion.V3,
    configSourceSpecifier: { case: 'ads', value: {} },
  });
  return create(BootstrapSchema, {
    node,
    // A proxy that is not in the network of its application is not captured there.
    ...(options.interceptionMode !== 'NONE' &&
      handedSocketStock() === undefined && { clusterManager: markingManager() }),
    dynamicResources: {
      adsConfig: create(ApiConfigSourceSchema, {
        apiType: ApiConfigSource_ApiType.DELTA_GRPC,
        transportApiVersion: ApiVersion.V3,
        grpcServices: [{ targetSpecifier: { case: 'envoyGrpc', value: { clusterName: 'xds-grpc' } } }],
      }),
      cdsConfig: ads,
      ldsConfig: ads,
    },
  });
}

function hostPort(given: string | undefined, address: string, port: number): ServeAddress {
  if (given === undefined) return { kind: 'tcp', host: address, port };
  const colon = given.lastIndexOf(':');
  return {
    kind: 'tcp',
    host: given.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(given.slice(colon + 1)),
    fd: inheritedSocket(given),
  };
}

/** What there is besides the data path; where it cannot be had nothing is left. */
async function serveBeside(
  options: WorkloadProxyOptions,
  process: ProxyProcess,
  dns: WorkloadDns | undefined,
  identity: WorkloadIdentity,
): Promise<BesideServer[]> {
  const servers: BesideServer[] = [];
  try {
    await dns?.start(process.metrics);
    await serveWellKnown(options, process, servers);
    return servers;
  } catch (error) {
    identity.stop();
    await dns?.close();
    for (const { server } of servers) await server.close();
    await process.close();
    throw error instanceof CliError ? error : new CliError(`cannot listen: ${(error as Error).message}`);
  }
}

/**
 * Readiness and metrics: what a platform and Prometheus ask of every proxy of a mesh.
 * @param servers gets what was bound, also where another one could not be.
 */
async function serveWellKnown(
  options: WorkloadProxyOptions,
  process: ProxyProcess,
  servers: BesideServer[],
): Promise<void> {
  const notFound = textReply('not found\n', 404);
  const { address } = options;
  const serve = async (key: string, at: ServeAddress, answer: Answer): Promise<void> => {
    const fd = succeededSocket(key, 0) ?? at.fd;
    servers.push({ key, server: await servePages({ ...at, fd }, answer) });
  };
  await serve('readiness', hostPort(options.readinessAddress, address, READINESS_PORT), async (_, target) => {
    if (target !== '/healthz/ready') return notFound;
    const ready = process.state() === 'LIVE';
    return textReply(ready ? 'ready\n' : 'not ready\n', ready ? 200 : 503);
  });
  await serve('metrics', hostPort(options.metricsAddress, address, METRICS_PORT), async (_, target) => {
    if (target !== '/stats/prometheus' && target !== '/metrics') return notFound;
    return { status: 200, contentType: prometheusContentType, body: process.metrics.prometheusPieces() };
  });
}
