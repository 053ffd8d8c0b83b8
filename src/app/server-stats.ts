/** The statistics of a process, by Envoy's names (`server.*`). */
import { HEDDLE_VERSION } from '#core/version.ts';
import type { Metrics } from '#observe/metrics.ts';
import type { Scope } from '#observe/metrics-contract.ts';
import { DAY_MS, firstEndMs } from '#proxy/admin/certificate-details.ts';
import type { ServerState } from '#proxy/admin/contract.ts';
import type { SecretMaterial, SecretStore } from '#proxy/contract.ts';

export interface ServerFacts {
  readonly startedMs: number;
  /** Threads that serve. */
  readonly concurrency: number;
  readonly secrets: SecretStore;
  state(): ServerState;
}

/** Envoy's numbers of states. */
const stateNumbers: Readonly<Record<ServerState, number>> = {
  ...{ LIVE: 0, DRAINING: 1, PRE_INITIALIZING: 2, INITIALIZING: 3 },
};

/** Where no certificate is. */
const NEVER_DAYS = 2 ** 32 - 1;

/** Of what is known when it is asked for, and zeros of what cannot happen here. */
export function showServerStats(metrics: Metrics, facts: ServerFacts): Scope {
  const server = metrics.scope({ path: 'server', family: 'server', labels: {} });
  const gauge = (name: string) => server.gauge(name);
  gauge('live').set(0);
  gauge('concurrency').set(facts.concurrency);
  gauge('version').set(versionNumber());
  gauge('hot_restart_epoch').set(0);
  gauge('compilation_settings.fips_mode').set(0);
  gauge('parent_connections').set(0);
  server.counter('static_unknown_fields');
  server.counter('dropped_stat_flushes');
  const uptime = gauge('uptime');
  const state = gauge('state');
  const known = new WeakMap<SecretMaterial, number>();
  const days = gauge('days_until_first_cert_expiring');
  const memory = ['memory_allocated', 'memory_heap_size', 'memory_physical_size'].map(gauge);
  metrics.beforeReading(() => {
    uptime.set(Math.floor((Date.now() - facts.startedMs) / 1000));
    state.set(stateNumbers[facts.state()]);
    days.set(daysUntilFirst(facts.secrets, known));
    const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
    for (const [i, bytes] of [heapUsed + external, heapTotal + external, rss].entries())
      memory[i]!.set(bytes);
  });
  return server;
}

/** How long the process took until it served. */
export function recordInitialization(metrics: Metrics, startedMs: number): void {
  const server = metrics.scope({ path: 'server', family: 'server', labels: {} });
  server.gauge('live').set(1);
  server.histogram('initialization_time_ms').record(Date.now() - startedMs);
}

/** The three parts of the version, a byte each. */
function versionNumber(): number {
  const [major = 0, minor = 0, patch = 0] = HEDDLE_VERSION.split('.').map((part) =>
    Number.parseInt(part, 10),
  );
  return major * 65_536 + minor * 256 + patch;
}

function daysUntilFirst(secrets: SecretStore, known: WeakMap<SecretMaterial, number>): number {
  let first = Number.POSITIVE_INFINITY;
  for (const name of secrets.names()) {
    const material = secrets.get(name);
    if (material === undefined) continue;
    const endMs = known.get(material) ?? firstEndMs(material.certificateChainPem, material.trustedCaPem);
    known.set(material, endMs);
    first = Math.min(first, endMs);
  }
  if (first === Number.POSITIVE_INFINITY) return NEVER_DAYS;
  return Math.max(0, Math.floor((first - Date.now()) / DAY_MS));
}
