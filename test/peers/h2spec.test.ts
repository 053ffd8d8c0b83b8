/**
 * h2spec on our HTTP/2 codec, both ends. The rules it tests are those of RFC 7540; where RFC 9113 made
 * another of them, the difference stands here with its reason. What Envoy fails is printed beside.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { startChild } from '../support/child.ts';
import { echoServer } from '../support/h2-echo-server.ts';
import { findPeer, requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

/** Cases that fail, each with the reason why it has to. None does. */
const known: Readonly<Record<string, string>> = {};

interface Verdict {
  readonly cases: number;
  readonly failed: readonly string[];
}

/** Runs one of the programs and reads its JUnit report. */
async function judge(t: TestContext, program: string, args: readonly string[]): Promise<Verdict> {
  const report = join(tempDir(t), 'report.xml');
  await new Promise<void>((resolve) => {
    // It exits with an error where a case fails: the report says which.
    execFile(program, [...args, '--strict', '--junit-report', report], { timeout: 300_000 }, () => resolve());
  });
  const text = readFileSync(report, 'utf8');
  const failed: string[] = [];
  let cases = 0;
  for (const [, attributes, inner] of text.matchAll(/<testcase ([^>]*?)(?:\/>|>(.*?)<\/testcase>)/gs)) {
    cases++;
    const name = (key: string): string => new RegExp(`${key}="([^"]*)"`).exec(attributes!)?.[1] ?? '';
    if (/<(failure|error)/.test(inner ?? '')) failed.push(`${name('package')}: ${name('classname')}`);
  }
  return { cases, failed };
}

function assertVerdict({ cases, failed }: Verdict, atLeast: number): void {
  assert.ok(cases >= atLeast, `only ${cases} cases were run`);
  assert.deepEqual(
    failed.filter((name) => known[name] === undefined),
    [],
  );
}

const envoyListener = (port: number): string => `
static_resources:
  listeners:
  - name: h2
    address: { socket_address: { address: 127.0.0.1, port_value: ${port} } }
    filter_chains:
    - filters:
      - name: http
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: h2
          codec_type: HTTP2
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: { prefix: "/" }
                direct_response: { status: 200, body: { inline_string: "words" } }
          http_filters:
          - name: router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
admin: { address: { socket_address: { address: 127.0.0.1, port_value: 0 } } }
`;

/** @returns the port of an Envoy that answers everything by itself */
async function startEnvoy(t: TestContext, program: string): Promise<number> {
  const file = join(tempDir(t), 'envoy.yaml');
  // Port 0, and the admin interface says which one it became.
  writeFileSync(file, envoyListener(0));
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

test('h2spec finds nothing wrong with our server', { timeout: 600_000 }, async (t) => {
  const program = requirePeer(t, 'h2spec');
  if (program === undefined) return;
  const { port } = await echoServer(t);
  const verdict = await judge(t, program, ['--port', String(port)]);
  const envoy = findPeer('envoy');
  if (envoy !== undefined) {
    const theirs = await judge(t, program, ['--port', String(await startEnvoy(t, envoy))]);
    t.diagnostic(`ours fails ${verdict.failed.length} of ${verdict.cases}, Envoy ${theirs.failed.length}`);
    for (const name of theirs.failed) t.diagnostic(`Envoy fails ${name}`);
  }
  assertVerdict(verdict, 140);
});

test('h2specd finds nothing wrong with our client', { timeout: 600_000 }, async (t) => {
  const program = requirePeer(t, 'h2specd');
  if (program === undefined) return;
  const client = join(import.meta.dirname, '../support/h2-client.ts');
  const verdict = await judge(t, program, ['--exec', `${process.execPath} ${client}`]);
  t.diagnostic(`${verdict.cases} cases`);
  assertVerdict(verdict, 80);
});
