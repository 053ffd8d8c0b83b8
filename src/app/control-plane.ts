/**
 * The control plane put together: CA, discovery over both doors, API. What configuration is, and
 * where it comes from, is the caller's; so are signals and the terminal.
 */
import { join } from 'node:path';
import { adminSocketPath } from '#api/admin-socket.ts';
import type { ConfigReport } from '#api/contract.ts';
import { createAuthority, DEFAULT_LIFE_MS, MAX_LIFE_MS } from '#control/ca/authority.ts';
import { certificateMetrics } from '#control/ca/certificate-metrics.ts';
import { type JoinTokens, joinTokens } from '#control/ca/join-token.ts';
import { loadOrCreateRoot } from '#control/ca/root.ts';
import { certificateService } from '#control/ca/service.ts';
import { openApi } from '#control/http-api/api-server.ts';
import { adsService } from '#control/serve/ads-service.ts';
import type { AdsProxy, StreamRegistrar } from '#control/serve/ads-stream.ts';
import { authenticator } from '#control/serve/caller.ts';
import { type ConfigurationSource, Discovery } from '#control/serve/discovery.ts';
import { discoveryMetrics } from '#control/serve/discovery-metrics.ts';
import { distributed } from '#control/serve/distribution.ts';
import { responseEncoder } from '#control/serve/encode-response.ts';
import { openPorts } from '#control/serve/ports.ts';
import { configDump } from '#control/status/config-dump.ts';
import { connectionList, proxyStatuses } from '#control/status/proxy-status.ts';
import { hostPort } from '#core/ip-address.ts';
import { inheritedSocket } from '#host/inherited-sockets.ts';
import { trustBundle } from '#identity/trust-bundle.ts';
import type { Logger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import { renderPrometheus } from '#observe/prometheus.ts';

export interface ControlPlaneSettings {
  /** Holds the CA, unused join tokens and the admin socket. */
  readonly stateFolder: string;
  readonly trustDomain: string;
  /** Of the ports for proxies. */
  readonly host: string;
  /** Of plaintext discovery; absent: `host`, which has to be a loopback address then. */
  readonly plaintextHost?: string;
  /** Of the API; absent: `host`. */
  readonly apiHost?: string;
  /** 0: any free port. */
  readonly ports: { readonly plaintext: number; readonly tls: number; readonly api: number };
  /** Of this instance, as proxies and `ps` see it. */
  readonly name: string;
  /** Life of a certificate where none is asked for; absent: 24 hours. */
  readonly certificateLifeMs?: number;
  readonly source: ConfigurationSource;
  /** Takes over Pods as they are now, before the source would be told of them by itself; absent: there are none. */
  readonly readPods?: () => Promise<void>;
  readonly report: () => ConfigReport;
  /** Of workloads that are not Pods; absent: none can register. */
  readonly registrar?: StreamRegistrar;
  readonly log: Logger;
  readonly nowMs?: () => number;
}

export interface ControlPlane {
  readonly ports: { readonly plaintext: number; readonly tls: number; readonly api: number };
  readonly rootPem: string;
  readonly tokens: JoinTokens;
  /** The source has something else to give, or became ready. */
  changed(): void;
  /** Proxies keep what they have and come back when there is a control plane again. */
  close(): Promise<void>;
}

/** Rejects with a plain `Error` where the root cannot be used or a port is taken. */
export async function startControlPlane(settings: ControlPlaneSettings): Promise<ControlPlane> {
  const { stateFolder, trustDomain, host, apiHost = host, log, source, nowMs = Date.now } = settings;
  const root = await loadOrCreateRoot(stateFolder, trustDomain, nowMs());
  const defaultLifeMs = settings.certificateLifeMs ?? DEFAULT_LIFE_MS;
  const authority = await createAuthority({
    trustDomain,
    root,
    nowMs,
    defaultLifeMs,
    maxLifeMs: MAX_LIFE_MS,
  });
  const tokens = joinTokens(join(stateFolder, 'ca', 'tokens'), nowMs);
  const callers = authenticator(trustBundle(trustDomain, root.certificatePem), tokens, nowMs);
  const registry = new Metrics();
  const metrics = discoveryMetrics(registry);
  const discovery = new Discovery<AdsProxy>({ source, metrics, log });
  const { registrar } = settings;
  const ads = { discovery, encoder: responseEncoder(settings.name), metrics, log, nowMs, registrar };
  const ports = await openPorts({
    host,
    plaintextHost: settings.plaintextHost,
    plaintextPort: settings.ports.plaintext,
    tlsPort: settings.ports.tls,
    plaintextServices: [adsService(ads)],
    tlsServices: [
      adsService({ ...ads, authenticator: callers }),
      certificateService({ authority, authenticator: callers, log, metrics: certificateMetrics(registry) }),
    ],
    authority,
    log,
    nowMs,
  });
  const snapshotOf = (proxy: AdsProxy): ReturnType<typeof discovery.snapshotOf> =>
    discovery.snapshotOf(proxy);
  try {
    const api = await openApi({
      host: apiHost,
      port: settings.ports.api,
      fd: inheritedSocket(hostPort(apiHost, settings.ports.api)),
      socketPath: adminSocketPath(stateFolder),
      actions: {
        tokens,
        distribute: async (timeoutMs) => {
          await settings.readPods?.();
          return distributed(discovery, timeoutMs);
        },
      },
      view: {
        ready: () => source.ready(),
        metrics: () => metricsText(registry, discovery),
        proxies: () =>
          proxyStatuses(discovery.proxies(), {
            nowMs: nowMs(),
            controlPlane: settings.name,
            snapshotOf,
            registrationOf: (proxy) => registrar?.viewOf(proxy),
          }),
        connections: () => connectionList(discovery.proxies()),
        config: settings.report,
        configDump: (name) => {
          const proxy = discovery.find(name);
          return proxy && configDump(discovery.snapshotOf(proxy), nowMs());
        },
      },
    });
    return {
      ports: { plaintext: ports.plaintextPort, tls: ports.tlsPort, api: api.port },
      rootPem: root.certificatePem,
      tokens,
      changed: () => discovery.changed(),
      async close(): Promise<void> {
        discovery.close();
        await Promise.all([api.close(), ports.close()]);
      },
    };
  } catch (error) {
    await ports.close();
    throw error;
  }
}

function metricsText(registry: Metrics, discovery: Discovery<AdsProxy>): string {
  const connected = {
    name: 'pilot_xds',
    type: 'gauge' as const,
    help: 'Proxies connected.',
    samples: [{ labels: '', used: true, value: discovery.size }],
  };
  return renderPrometheus([...registry.prometheusFamilies(), connected]);
}
