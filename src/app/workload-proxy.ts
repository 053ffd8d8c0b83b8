/**
 * What `heddle sidecar` and `heddle gateway` are: a proxy with an identity of its own, configured by
 * the control plane over ADS, with readiness and metrics on ports of their own. The private key
 * never leaves this process: secrets are given to the data path directly.
 */
import { readFileSync } from 'node:fs';
import { isIPv4, isIPv6 } from 'node:net';
import { create, type JsonObject } from '@bufbuild/protobuf';
import { CliError, EXIT_DATA, EXIT_FAILURE, EXIT_OK } from '#cli/exit.ts';
import type { WorkloadProxyOptions } from '#cli/option/workload-proxy.ts';
import { HEDDLE_VERSION } from '#core/version.ts';
import { CONTROL_PLANE_DNS_NAME } from '#identity/control-plane-name.ts';
import { type Logger, sharedLogLevel } from '#observe/log.ts';
import { prometheusContentType } from '#observe/prometheus.ts';
import { textReply } from '#proxy/admin/contract.ts';
import { type RunningServer, type ServeAddress, servePages } from '#proxy/admin/server.ts';
import { createGrpcTransport } from '#proxy/apply/grpc-transport.ts';
import { createSecretStore } from '#proxy/apply/secret-store.ts';
import type { BootstrapSettings } from '#proxy/bootstrap/settings.ts';
import { CommandLineOptionsSchema } from '#xds/gen/envoy/admin/v3/server_info_pb.js';
import { type Bootstrap, BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { NodeSchema } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  ApiConfigSource_ApiType,
  ApiConfigSourceSchema,
  ApiVersion,
  ConfigSourceSchema,
} from '#xds/gen/envoy/config/core/v3/config_source_pb.js';
import { introduce } from './introduce.ts';
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
import {
  createWorkloadIdentity,
  type WorkloadCertificate,
  type WorkloadIdentity,
} from './workload-identity.ts';
import { workloadNode } from './workload-node.ts';

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

/** `sidecar` stands beside an application, `router` at the edge (Istio's node types). */
export type NodeType = 'sidecar' | 'router';

/** Runs until SIGTERM or SIGINT; resolves to the exit code. */
export async function runWorkloadProxy(type: NodeType, options: WorkloadProxyOptions): Promise<number> {
  const threads = servingThreads(options.concurrency);
  const log = openLog(options, threads && sharedLogLevel(threads.logLevel));
  const stopping = stopSignal(log);
  const identity = workloadIdentity(options, log);
  const stopped = await obtainCertificate(identity, stopping);
  if (stopped) return EXIT_OK;
  const process = await start(type, options, { identity, log, stopping, threads });
  const servers = await serveWellKnown(options, process);
  log.info(`${type}.started`, { name: options.name, admin: process.adminAddress });
  await stopping.asked;
  identity.stop();
  await stopInOrder(process, stopping);
  for (const server of servers) await server.close();
  return EXIT_OK;
}

function workloadIdentity(options: WorkloadProxyOptions, log: Logger): WorkloadIdentity {
  const { trustDomain, namespace, serviceAccount, rootCa, certificateTtlS } = options;
  let rootCaPem: string;
  try {
    rootCaPem = readFileSync(rootCa, 'utf8');
  } catch (error) {
    throw new CliError(`cannot read the root certificate: ${(error as Error).message}`, {
      exitCode: EXIT_DATA,
    });
  }
  return createWorkloadIdentity({
    controlAddress: options.control,
    rootCaPem,
    tokenSource: joinTokenSource(options),
    spiffeId: `spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`,
    ...(certificateTtlS === undefined ? {} : { ttlSeconds: certificateTtlS }),
    log,
  });
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
    advice: 'A join token is good once and for five minutes: ask the control plane for a new one.',
    cause: outcome,
  });
}

interface Parts {
  readonly identity: WorkloadIdentity;
  readonly log: Logger;
  readonly stopping: StopSignal;
  readonly threads: ServingThreads | undefined;
}

async function start(type: NodeType, options: WorkloadProxyOptions, parts: Parts): Promise<ProxyProcess> {
  const { identity, log, stopping } = parts;
  const started = await startProxyProcess(processOptions(type, options, parts));
  if (!started.ok) {
    identity.stop();
    throw new CliError(`cannot start:\n  ${problemTexts(started.problems).join('\n  ')}`, {
      exitCode: EXIT_FAILURE,
    });
  }
  const { process } = started;
  const adopt = (certificate: WorkloadCertificate): void => {
    process.setSecret(ROOT_SECRET, { trustedCaPem: certificate.rootCaPem });
    process.setSecret(CERTIFICATE_SECRET, {
      certificateChainPem: certificate.certificateChainPem,
      privateKeyPem: certificate.privateKeyPem,
    });
  };
  identity.on('rotate', adopt);
  adopt(identity.current());
  void stopping.asked.then(() => identity.off('rotate', adopt));
  log.debug('identity.in-force', { until: new Date(identity.current().notAfterMs).toISOString() });
  return process;
}

function processOptions(
  type: NodeType,
  options: WorkloadProxyOptions,
  { identity, log, stopping, threads }: Parts,
): ProxyProcessOptions {
  const uri = controlUri(options.control);
  const settings: BootstrapSettings = {
    admin: hostPort(options.adminAddress, options.address, ADMIN_PORT),
    adminLogPaths: [],
    ads: { protocol: 'delta', cluster: 'xds-grpc', initialMetadata: [] },
    listeners: { kind: 'ads' },
    clusters: { kind: 'ads' },
    initialFetchTimeoutMs: INITIAL_FETCH_TIMEOUT_MS,
    statsFlushIntervalMs: STATS_FLUSH_INTERVAL_MS,
    overload: undefined,
    connectionLimits: { process: undefined, ofListener: {} },
  };
  return {
    loaded: {
      bootstrap: bootstrapOf(type, options),
      locate: (problem) => problem,
      place: (problem) => problem,
    },
    settings,
    commandLine: create(CommandLineOptionsSchema, {
      concurrency: threads?.count ?? 1,
      disableHotRestart: true,
      logLevel: options.logLevel,
    }),
    secrets: createSecretStore(),
    ownSecrets: new Set([SECRET_CLUSTER]),
    unknownFields: 'warn',
    needsConfiguration: true,
    // The certificate in force at each connection; what is connected keeps its own.
    transportTo: () =>
      createGrpcTransport(() => {
        const { rootCaPem, certificateChainPem, privateKeyPem } = identity.current();
        return {
          uri,
          tls: { rootPem: rootCaPem, certificateChainPem, privateKeyPem, serverName: CONTROL_PLANE_DNS_NAME },
        };
      }),
    threads,
    drainTimeMs: options.drainTimeS * 1000,
    log,
    quit: () => stopping.stop(),
  };
}

/** What an Envoy in this place would be given; shown by `/config_dump`. */
function bootstrapOf(type: NodeType, options: WorkloadProxyOptions): Bootstrap {
  const { name, labels, workload = labels.app ?? name } = options;
  const { id, cluster, metadata } = workloadNode({ ...options, pod: name, workload });
  const node = create(NodeSchema, {
    id: id.replace(/^sidecar/, type),
    cluster,
    metadata: { ...metadata, HEDDLE_VERSION, ...options.metadata } as JsonObject,
  });
  introduce(node);
  const ads = create(ConfigSourceSchema, {
    resourceApiVersion: ApiVersion.V3,
    configSourceSpecifier: { case: 'ads', value: {} },
  });
  return create(BootstrapSchema, {
    node,
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

function controlUri(control: string): string {
  const host = control.slice(0, control.lastIndexOf(':')).replace(/^\[|\]$/g, '');
  if (isIPv4(host)) return `ipv4:${control}`;
  return isIPv6(host) ? `ipv6:${control}` : `dns:///${control}`;
}

function hostPort(given: string | undefined, address: string, port: number): ServeAddress {
  if (given === undefined) return { kind: 'tcp', host: address, port };
  const colon = given.lastIndexOf(':');
  return {
    kind: 'tcp',
    host: given.slice(0, colon).replace(/^\[|\]$/g, ''),
    port: Number(given.slice(colon + 1)),
  };
}

/** Readiness and metrics: what a platform and Prometheus ask of every proxy of a mesh. */
async function serveWellKnown(
  options: WorkloadProxyOptions,
  process: ProxyProcess,
): Promise<RunningServer[]> {
  const notFound = textReply('not found\n', 404);
  const { address } = options;
  try {
    return [
      await servePages(hostPort(options.readinessAddress, address, READINESS_PORT), async (_, target) => {
        if (target !== '/healthz/ready') return notFound;
        const ready = process.state() === 'LIVE';
        return textReply(ready ? 'ready\n' : 'not ready\n', ready ? 200 : 503);
      }),
      await servePages(hostPort(options.metricsAddress, address, METRICS_PORT), async (_, target) => {
        if (target !== '/stats/prometheus' && target !== '/metrics') return notFound;
        return { status: 200, contentType: prometheusContentType, body: process.metrics.prometheusPieces() };
      }),
    ];
  } catch (error) {
    await process.close();
    throw new CliError(`cannot listen: ${(error as Error).message}`);
  }
}
