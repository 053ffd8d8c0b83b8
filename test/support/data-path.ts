/** A data path in this process, from the static resources of a bootstrap, on ports of its own. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { systemClock } from '#core/clock.ts';
import { formatProblem } from '#core/problem.ts';
import { systemRandom } from '#core/random.ts';
import { atOnce } from '#core/time-slice.ts';
import { duplicateDescriptor } from '#host/duplicate-descriptor.ts';
import { openTcpSocket } from '#host/socket-options.ts';
import { silentLogger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import { createSecretStore } from '#proxy/apply/secret-store.ts';
import { loadBootstrap } from '#proxy/bootstrap/load.ts';
import type { LocalDataPath, SecretStore } from '#proxy/contract.ts';
import { createDataPath } from '#proxy/data-path.ts';
import type { DataPathDeps } from '#proxy/data-path-deps.ts';
import { BucketMemory } from '#proxy/filter/bucket-memory.ts';
import { filters } from '#proxy/filter/catalogue.ts';

export interface RunningDataPath {
  readonly dataPath: LocalDataPath;
  readonly metrics: Metrics;
  readonly secrets: SecretStore;
  /** Lines of all access logs, in order. */
  readonly lines: readonly string[];
  /** The port a listener is bound to. */
  port(listener: string): number;
  /** Value of a counter or gauge by Envoy's name. */
  stat(name: string): number;
  /** Prepares and installs the static resources of another bootstrap besides. */
  add(yaml: string): Promise<void>;
}

/**
 * @param resolve stands for DNS; absent: every name is 127.0.0.1.
 * @param more in the place of what is given else.
 */
export async function startDataPath(
  t: Pick<TestContext, 'after'>,
  yaml: string,
  secrets: SecretStore = createSecretStore(),
  resolve: (host: string) => Promise<readonly string[]> = async () => ['127.0.0.1'],
  more: Partial<DataPathDeps> = {},
): Promise<RunningDataPath> {
  const metrics = new Metrics();
  const lines: string[] = [];
  const dataPath = createDataPath({
    buckets: new BucketMemory(() => new ArrayBuffer(BucketMemory.bytes(64)), 0),
    clock: systemClock,
    random: systemRandom(),
    metrics,
    secrets,
    log: silentLogger,
    filters,
    openLog: () => ({ write: (line) => void lines.push(line) }),
    lookUp: async ({ host }) => ({ addresses: await resolve(host), ttlS: undefined }),
    localAddress: '192.0.2.1',
    nodeCluster: '',
    nodeId: '',
    readFile: () => assert.fail('no files here'),
    environment: () => undefined,
    originalDestination: () => undefined,
    duplicateDescriptor,
    openSocket: openTcpSocket,
    ...more,
  });
  t.after(() => dataPath.close());
  const add = async (text: string): Promise<void> => {
    const loaded = loadBootstrap([{ text, name: 'test.yaml' }], { allowUnknownFields: false });
    assert.ok(loaded.ok, loaded.problems.map(formatProblem).join('\n'));
    const { clusters = [], listeners = [] } = loaded.value.bootstrap.staticResources ?? {};
    for (const prepared of [
      ...clusters.map((cluster) => atOnce(dataPath.prepareCluster(cluster))),
      ...listeners.map((listener) => atOnce(dataPath.prepareListener(listener))),
    ]) {
      assert.ok(prepared.ok, prepared.problems.map(formatProblem).join('\n'));
      await prepared.value.install();
    }
  };
  await add(yaml);
  return {
    dataPath,
    metrics,
    secrets,
    lines,
    add,
    port(listener) {
      const status = dataPath.listeners().find(({ name, state }) => name === listener && state === 'active');
      return Number(status?.addresses[0]?.split(':').at(-1));
    },
    stat(name) {
      const found = metrics.stats().find((stat) => stat.name === name);
      return found !== undefined && found.kind !== 'histogram' ? found.value : 0;
    },
  };
}

const TYPES = 'type.googleapis.com/envoy.extensions';

export interface HttpListenerOptions {
  readonly name?: string;
  /** YAML of a virtual host's routes, flow style. */
  readonly routes: string;
  /** More fields of the connection manager, as lines of YAML. */
  readonly hcm?: readonly string[];
  /** Before the router, flow style. */
  readonly filters?: readonly string[];
  /** More fields of the filter chain, flow style. */
  readonly transportSocket?: string;
  readonly internal?: boolean;
}

/** One listener on a free port of 127.0.0.1, as an item of `static_resources.listeners`. */
export function httpListener({
  name = 'web',
  routes,
  hcm = [],
  filters: before = [],
  transportSocket,
  internal = false,
}: HttpListenerOptions): string {
  return `
  - name: ${name}
    ${internal ? 'internal_listener: {}' : 'address: { socket_address: { address: 127.0.0.1, port_value: 0 } }'}
    filter_chains:
    - filters:
      - name: http
        typed_config:
          '@type': ${TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ${name}
          access_log:
          - { name: log, typed_config: { '@type': ${TYPES}.access_loggers.file.v3.FileAccessLog, path: log, log_format: { text_format_source: { inline_string: "%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS%\\n" } } } }
${hcm.map((line) => `          ${line}`).join('\n')}
          route_config: { name: routes, validate_clusters: false, virtual_hosts: [{ name: all, domains: ['*'], routes: ${routes} }] }
          http_filters:
${before
  .map(
    (filter) => `          - ${filter}
`,
  )
  .join('')}          - { name: router, typed_config: { '@type': ${TYPES}.filters.http.router.v3.Router } }
${transportSocket === undefined ? '' : `      transport_socket: ${transportSocket}`}`;
}

/** A cluster of one endpoint, as an item of `static_resources.clusters`. */
export function cluster(name: string, ports: readonly number[], more = ''): string {
  const endpoints = ports.map(
    (port) => `{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }`,
  );
  return `
  - { name: ${name}, type: STATIC, connect_timeout: 1s, load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [${endpoints.join(', ')}] }] }${more} }`;
}

export function bootstrap(listeners: readonly string[], clusters: readonly string[]): string {
  return `static_resources:\n  listeners:${listeners.join('') || ' []'}\n  clusters:${clusters.join('') || ' []'}\n`;
}
