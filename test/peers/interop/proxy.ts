/** A proxy in front of a set of upstreams: ours, or Envoy to prove a test right, on the same bootstrap. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { TestContext } from 'node:test';
import { eventually } from '../../support/eventually.ts';
import { findPeer } from '../../support/peer.ts';
import { tempDir } from '../../support/temp-dir.ts';
import type { Certificates } from './certificates.ts';

export const proxyNames = ['envoy', 'heddle'] as const;
export type ProxyName = (typeof proxyNames)[number];

export interface Upstream {
  readonly name: string;
  readonly port: number;
  readonly protocol: 'HTTP/1.1' | 'HTTP/2';
}

export interface RunningProxy {
  /** Port of the listener that sends all to that upstream. */
  port(upstream: string, secured: boolean): number;
  /** Lines of the access log: path, the client's protocol, status. */
  log(): readonly string[];
  output(): string;
}

type Hooks = Pick<TestContext, 'after'>;

const root = resolve(import.meta.dirname, '../../..');
const startTimeoutMs = 20_000;
const logFormat = '%REQ(:PATH)% %PROTOCOL% %RESPONSE_CODE%\n';

/** Two listeners for each upstream, plaintext and TLS, both with whatever protocol the client speaks. */
export async function startProxy(
  t: Hooks,
  name: ProxyName,
  upstreams: readonly Upstream[],
  certificates: Certificates,
): Promise<RunningProxy> {
  const folder = join(tempDir(t), name);
  mkdirSync(folder);
  const logFile = join(folder, 'access.log');
  const addressFile = join(folder, 'admin');
  const config = join(folder, 'bootstrap.json');
  writeFileSync(logFile, '');
  writeFileSync(config, JSON.stringify(bootstrap(upstreams, logFile, certificates), undefined, 2));
  const own =
    name === 'heddle' ? [join(root, 'src/app/main.ts'), 'proxy'] : ['--disable-hot-restart', '-l', 'error'];
  const program = name === 'heddle' ? process.execPath : findPeer('envoy')!;
  const args = [
    ...own,
    '-c',
    config,
    '--admin-address-path',
    addressFile,
    '--file-flush-interval-msec',
    '20',
  ];
  const child = spawn(program, [...args, '--concurrency', '1'], { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  t.after(() => ended(child));
  const ports = await eventually(() => portsOf(addressFile), {
    timeoutMs: startTimeoutMs,
    until: () => child.exitCode !== null,
  }).catch((error) => {
    throw new Error(`${name} did not start: ${output}`, { cause: error });
  });
  return {
    port: (upstream, secured) => ports.get(listenerName(upstream, secured)) ?? 0,
    log: () => readFileSync(logFile, 'utf8').split('\n'),
    output: () => output,
  };
}

const listenerName = (upstream: string, secured: boolean): string => `${upstream}${secured ? '-tls' : ''}`;

interface ListenersPage {
  readonly listener_statuses: readonly {
    readonly name: string;
    readonly local_address: { readonly socket_address: { readonly port_value: number } };
  }[];
}

async function portsOf(addressFile: string): Promise<Map<string, number>> {
  const admin = `http://${readFileSync(addressFile, 'utf8').trim()}`;
  const ready = await fetch(`${admin}/ready`);
  if (!ready.ok) throw new Error(`/ready: ${ready.status}`);
  const page = (await (await fetch(`${admin}/listeners?format=json`)).json()) as ListenersPage;
  return new Map(
    page.listener_statuses.map((one) => [one.name, one.local_address.socket_address.port_value]),
  );
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((done) => child.once('exit', done));
  child.kill('SIGKILL');
  await exit;
}

const typeUrl = (name: string): string => `type.googleapis.com/envoy.${name}`;
const address = (port: number): object => ({ socket_address: { address: '127.0.0.1', port_value: port } });

function bootstrap(upstreams: readonly Upstream[], logFile: string, certificates: Certificates): object {
  return {
    node: { id: 'interop', cluster: 'interop' },
    admin: { address: address(0) },
    static_resources: {
      listeners: upstreams.flatMap(({ name }) =>
        [false, true].map((secured) => ({
          name: listenerName(name, secured),
          address: address(0),
          filter_chains: [
            {
              filters: [{ name: 'http', typed_config: connectionManager(name, logFile) }],
              ...(secured ? { transport_socket: downstreamTls(certificates) } : {}),
            },
          ],
        })),
      ),
      clusters: upstreams.map(cluster),
    },
  };
}

function connectionManager(upstream: string, logFile: string): object {
  return {
    '@type': typeUrl('extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: upstream,
    codec_type: 'AUTO',
    http_protocol_options: { accept_http_10: true },
    // RFC 8441.
    http2_protocol_options: { allow_connect: true },
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    stream_idle_timeout: '60s',
    access_log: [
      {
        name: 'file',
        typed_config: {
          '@type': typeUrl('extensions.access_loggers.file.v3.FileAccessLog'),
          path: logFile,
          log_format: { text_format_source: { inline_string: logFormat } },
        },
      },
    ],
    http_filters: [
      { name: 'router', typed_config: { '@type': typeUrl('extensions.filters.http.router.v3.Router') } },
    ],
    route_config: {
      name: upstream,
      virtual_hosts: [
        {
          name: upstream,
          domains: ['*'],
          routes: [{ match: { prefix: '/' }, route: { cluster: upstream, timeout: '0s' } }],
        },
      ],
    },
  };
}

const downstreamTls = ({ certificate, key }: Certificates): object => ({
  name: 'tls',
  typed_config: {
    '@type': typeUrl('extensions.transport_sockets.tls.v3.DownstreamTlsContext'),
    common_tls_context: {
      tls_certificates: [{ certificate_chain: { filename: certificate }, private_key: { filename: key } }],
      alpn_protocols: ['h2', 'http/1.1'],
    },
  },
});

function cluster({ name, port, protocol }: Upstream): object {
  const options = typeUrl('extensions.upstreams.http.v3.HttpProtocolOptions');
  const http2 = { http2_protocol_options: { allow_connect: true } };
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': options,
        explicit_http_config: protocol === 'HTTP/2' ? http2 : { http_protocol_options: {} },
      },
    },
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }],
    },
  };
}
