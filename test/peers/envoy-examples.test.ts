/**
 * Bootstraps as Envoy's documentation has them are valid for both, and those that need no network
 * start. `@FOLDER@` is a folder with a certificate and the files of envoy-examples/files.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cpSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const root = resolve(import.meta.dirname, '../..');
const examples = globSync(join(import.meta.dirname, 'envoy-examples/*.yaml')).sort();

interface Ended {
  readonly code: number;
  readonly output: string;
}

function run(program: string, args: readonly string[]): Promise<Ended> {
  return new Promise((done) => {
    execFile(program, [...args], { timeout: 30_000 }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code ?? 1), output: stdout + stderr });
    });
  });
}

/** The example with a folder of its own. */
async function written(t: TestContext, example: string): Promise<string> {
  const folder = tempDir(t);
  cpSync(join(import.meta.dirname, 'envoy-examples/files'), folder, { recursive: true });
  await certificate(folder);
  const file = join(folder, basename(example));
  writeFileSync(file, readFileSync(example, 'utf8').replaceAll('@FOLDER@', folder));
  return file;
}

async function certificate(folder: string): Promise<void> {
  const key = [
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:P-256',
    '-nodes',
    '-keyout',
    join(folder, 'key.pem'),
  ];
  const made = await run('openssl', [
    'req',
    '-x509',
    ...key,
    '-out',
    join(folder, 'cert.pem'),
    '-subj',
    '/CN=a',
    '-days',
    '2',
  ]);
  assert.equal(made.code, 0, made.output);
}

function heddle(...args: string[]): Promise<Ended> {
  return run(process.execPath, [join(root, 'src/app/main.ts'), 'proxy', ...args]);
}

describe("bootstraps of Envoy's documentation", () => {
  for (const example of examples) {
    test(`heddle finds ${basename(example)} valid`, async (t) => {
      const file = await written(t, example);
      const { code, output } = await heddle('-c', file, '--mode', 'validate');
      assert.equal(code, 0, output);
      assert.ok(output.includes(`configuration '${file}' OK`), output);
    });
    test(`so does envoy: ${basename(example)}`, async (t) => {
      const envoy = requirePeer(t, 'envoy');
      if (envoy === undefined) return;
      const { code, output } = await run(envoy, [
        '-c',
        await written(t, example),
        '--mode',
        'validate',
        '-l',
        'error',
      ]);
      assert.equal(code, 0, output);
    });
  }
});

describe('what both refuse', () => {
  const front = readFileSync(join(import.meta.dirname, 'envoy-examples/front-proxy.yaml'), 'utf8');
  const broken: [why: string, text: string, ours: RegExp][] = [
    ['a route to no cluster', front.replace('cluster: service1', 'cluster: nowhere'), /nowhere/],
    ['an unknown field', front.replace('stat_prefix:', 'stat_prefixed:'), /:\d+:\d+: error: .*stat_prefixed/],
    ['no stat_prefix', front.replace('stat_prefix: ingress_http', ''), /stat_prefix/],
    ['a port that is none', front.replace('port_value: 0', 'port_value: 70000'), /port_value/],
    [
      'two virtual hosts with one domain',
      front.replace('virtual_hosts:', 'virtual_hosts:\n                    - { name: x, domains: ["*"] }'),
      /"\*"|domain/,
    ],
  ];
  for (const [why, text, ours] of broken) {
    test(why, async (t) => {
      const file = join(tempDir(t), 'broken.yaml');
      writeFileSync(file, text);
      const found = await heddle('-c', file, '--mode', 'validate');
      assert.equal(found.code, 65, found.output);
      assert.match(found.output, ours);
      const envoy = requirePeer(t, 'envoy');
      if (envoy === undefined) return;
      const theirs = await run(envoy, ['-c', file, '--mode', 'validate', '-l', 'error']);
      assert.notEqual(theirs.code, 0, theirs.output);
    });
  }
});
