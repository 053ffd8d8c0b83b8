/**
 * h2spec on our HTTP/2 codec, both ends, alone and in the proxy. The rules it tests are those of RFC 7540; where RFC 9113 made
 * another of them, the difference stands here with its reason; where we fail, what Envoy fails is printed.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startChild } from '../support/child.ts';
import { startDataPath } from '../support/data-path.ts';
import { echoServer } from '../support/h2-echo-server.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const LATE = 'what comes for a stream that is over is dropped, as by Envoy: it may have been under way';
const UNTOLD = 'the connection ends without a GOAWAY, as in Envoy';
const PRIORITY = 'RFC 9113 §5.3.2 has done away with priorities: as in Envoy, nobody looks at them';
/** Cases that fail, each with the reason why. Those of a server Envoy fails, too. */
const known: Readonly<Record<string, string>> = {
  '5.1. Stream States: closed: Sends a DATA frame after sending RST_STREAM frame': LATE,
  '5.1. Stream States: closed: Sends a HEADERS frame after sending RST_STREAM frame': LATE,
  '5.1. Stream States: closed: Sends a DATA frame': LATE,
  '5.1. Stream States: closed: Sends a HEADERS frame': LATE,
  '5.1.1. Stream Identifiers: Sends stream identifier that is numerically smaller than previous': LATE,
  '5.3.1. Stream Dependencies: Sends PRIORITY frame that depend on itself': PRIORITY,
  '5.4.1. Connection Error Handling: Sends an invalid PING frame to receive GOAWAY frame': UNTOLD,
  '6.1. DATA: Sends a DATA frame on the stream that is not in "open" or "half-closed (local)" state': LATE,
  '6.3. PRIORITY: Sends a PRIORITY frame with 0x0 stream identifier': PRIORITY,
  '6.9.1. The Flow-Control Window: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1':
    UNTOLD,
  '6.9.1. The Flow-Control Window: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream':
    UNTOLD,
};
/** Answers come so late that a stream is in the state that a case is about when its frames arrive. */
const ANSWER_MS = 30;

interface Verdict {
  readonly cases: number;
  readonly failed: readonly string[];
}

/** Runs one of the programs and reads what it prints: h2specd writes no other report. */
async function judge(program: string, args: readonly string[]): Promise<Verdict> {
  const text = await new Promise<string>((resolve) => {
    // It exits with an error where a case fails: the text says which.
    execFile(
      program,
      [...args, '--strict'],
      { timeout: 300_000, maxBuffer: Number.POSITIVE_INFINITY },
      (_, stdout) => resolve(stdout),
    );
  });
  // Each failure stands there twice.
  const failed = new Set<string>();
  let section = '';
  for (const line of text.split('\n')) {
    section = /^\s*(\d[\d.]*\. .*)/.exec(line)?.[1] ?? section;
    const [, name] = /^\s*× \d+: (.*)/.exec(line) ?? [];
    if (name !== undefined) failed.add(`${section}: ${name}`);
  }
  return { cases: Number(/^(\d+) tests, /m.exec(text)?.[1] ?? 0), failed: [...failed] };
}

function assertVerdict({ cases, failed }: Verdict, atLeast: number): void {
  assert.ok(cases >= atLeast, `only ${cases} cases were run`);
  assert.deepEqual(
    failed.filter((name) => known[name] === undefined),
    [],
  );
}

/** A listener `h2` with the given routes, and clusters. */
function bootstrap(routes: readonly string[], clusters: readonly string[] = []): string {
  return `
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
static_resources:
  listeners:
  - name: h2
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: h2
          codec_type: HTTP2
          route_config:
            virtual_hosts:
            - { name: all, domains: ["*"], routes: [${routes.join(', ')}] }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters: [${clusters.join(',')}
    ]
`;
}

const words = '{ match: { prefix: "/" }, route: { cluster: words } }';

const http2Options =
  '"@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} }';

const clusterOf = (port: number): string => `
    { name: "${port}", connect_timeout: 1s,
      typed_extension_protocol_options: {
        envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { ${http2Options} } },
      load_assignment: { cluster_name: "${port}", endpoints: [{ lb_endpoints: [{ endpoint: {
        address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] } }`;

/** A cluster of a server that answers a while after the end of a request. */
async function lateWords(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => setTimeout(() => response.end('words'), ANSWER_MS));
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return `
    { name: words, connect_timeout: 1s, load_assignment: { cluster_name: words, endpoints: [{ lb_endpoints: [{
      endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }] }] } }`;
}

/** @returns the port of an Envoy that runs `text` */
async function startEnvoy(t: TestContext, program: string, text: string): Promise<number> {
  const file = join(tempDir(t), 'envoy.yaml');
  // Port 0, and the admin interface says which one it became.
  writeFileSync(file, text);
  const adminFile = `${file}.admin`;
  const child = startChild(t, program, [
    '-c',
    file,
    '--admin-address-path',
    adminFile,
    '--disable-hot-restart',
    '--concurrency',
    '1',
  ]);
  await child.says(/starting main dispatch loop/);
  const admin = readFileSync(adminFile, 'utf8');
  const listeners = await (await fetch(`http://${admin}/listeners`)).text();
  return Number(/127\.0\.0\.1:(\d+)/.exec(listeners)?.[1]);
}

/** What we fail has a reason, and Envoy fails it too, in the same run. */
function assertNotWorse(t: TestContext, ours: Verdict, theirs: Verdict, atLeast: number): void {
  t.diagnostic(
    `fails ${ours.failed.length} of ${ours.cases}; Envoy ${theirs.failed.length} of ${theirs.cases}`,
  );
  assertVerdict(ours, atLeast);
  assert.deepEqual(
    ours.failed.filter((name) => !theirs.failed.includes(name)),
    [],
  );
}

async function judgeServer(t: TestContext, program: string, port: number): Promise<Verdict> {
  const verdict = await judge(program, ['--port', String(port)]);
  t.diagnostic(`fails ${verdict.failed.length} of ${verdict.cases}`);
  return verdict;
}

test('h2spec finds nothing wrong with our server', { timeout: 600_000 }, async (t) => {
  const program = requirePeer(t, 'h2spec');
  if (program === undefined) return;
  const { port } = await echoServer(t, {}, ANSWER_MS);
  assertVerdict(await judgeServer(t, program, port), 140);
});

test('h2spec finds nothing wrong with the proxy that Envoy does right', { timeout: 600_000 }, async (t) => {
  const [program, envoy] = [requirePeer(t, 'h2spec'), requirePeer(t, 'envoy')];
  if (program === undefined || envoy === undefined) return;
  const text = bootstrap([words], [await lateWords(t)]);
  const proxy = await startDataPath(t, text);
  const ours = await judgeServer(t, program, proxy.port('h2'));
  assertNotWorse(t, ours, await judgeServer(t, program, await startEnvoy(t, envoy, text)), 140);
});

/** h2specd listens on a port for each case, one after the other; those that the system gives out by itself are above. */
const firstPort: number = 20_000 + (process.pid % 10_000);
const PORTS = 80;
const client: string = join(import.meta.dirname, '../support/h2-client.ts');

/** h2specd ends, without a verdict, at the first case that takes 3 s: on a busy machine one may. */
const attempts = 4;

async function judgeClient(program: string, command: string): Promise<Verdict> {
  for (let attempt = 1; ; attempt++) {
    const verdict = await judge(program, ['--exec', command, '--from-port', String(firstPort)]);
    if (verdict.cases > 0 || attempt === attempts) return verdict;
  }
}

test('h2specd finds nothing wrong with our client', { timeout: 600_000 }, async (t) => {
  const program = requirePeer(t, 'h2specd');
  if (program === undefined) return;
  assertVerdict(await judgeClient(program, `${process.execPath} ${client}`), 50);
});

test('h2specd finds nothing wrong with the proxy that Envoy does right', { timeout: 600_000 }, async (t) => {
  const [program, envoy] = [requirePeer(t, 'h2specd'), requirePeer(t, 'envoy')];
  if (program === undefined || envoy === undefined) return;
  const ports = Array.from({ length: PORTS }, (_, i) => firstPort + i);
  const routes = ports.map((port) => `{ match: { prefix: "/${port}/" }, route: { cluster: "${port}" } }`);
  const text = bootstrap(routes, ports.map(clusterOf));
  const through = (port: number): string => `${process.execPath} ${client} ${port}`;
  const proxy = await startDataPath(t, text);
  const ours = await judgeClient(program, through(proxy.port('h2')));
  assertNotWorse(t, ours, await judgeClient(program, through(await startEnvoy(t, envoy, text))), 50);
});
