/** Programs that speak HTTP/2 and are not ours, on our server codec without anything around it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { echoServer } from '../support/h2-echo-server.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);
const limits = { timeout: 60_000, maxBuffer: 1 << 26 };

test('curl sends and gets large bodies with prior knowledge', async (t) => {
  const curl = requirePeer(t, 'curl');
  if (curl === undefined) return;
  const { port } = await echoServer(t);
  const folder = tempDir(t);
  const [sent, got] = [join(folder, 'sent'), join(folder, 'got')];
  const body = Buffer.from(Array.from({ length: 3_000_000 }, (_, i) => (i * 7919) & 0xff));
  writeFileSync(sent, body);
  const args = [
    '-sS',
    '--http2-prior-knowledge',
    '--data-binary',
    `@${sent}`,
    '-o',
    got,
    '-w',
    '%{http_version} %{http_code}',
  ];
  const { stdout } = await run(curl, [...args, `http://127.0.0.1:${port}/`], limits);
  assert.equal(stdout, '2 200');
  assert.ok(readFileSync(got).equals(body));
});

test('nghttp gets many bodies of many sizes on one connection, with windows of its own', async (t) => {
  const nghttp = requirePeer(t, 'nghttp');
  if (nghttp === undefined) return;
  const { port, counts } = await echoServer(t);
  const urls = Array.from({ length: 40 }, (_, i) => `http://127.0.0.1:${port}/${i * 5000 + 1}`);
  const { stdout } = await run(nghttp, ['--stat', '--null-out', '--window-bits=14', ...urls], limits);
  for (const url of urls) assert.match(stdout, new RegExp(` 200 +\\S+ ${new URL(url).pathname}$`, 'm'));
  assert.deepEqual([...counts.keys()], []);
});

test('nghttp uploads with trailers', async (t) => {
  const nghttp = requirePeer(t, 'nghttp');
  if (nghttp === undefined) return;
  const { port } = await echoServer(t);
  const file = join(tempDir(t), 'body');
  writeFileSync(file, 'y'.repeat(200_000));
  const args = ['-v', '--trailer=checksum: 42', `--data=${file}`, `http://127.0.0.1:${port}/`];
  const { stdout } = await run(nghttp, args, limits);
  assert.match(stdout, /recv \(stream_id=\d+\) checksum: 42/);
  assert.ok(stdout.includes('y'.repeat(1000)));
});

test('h2load finds no request without its response', async (t) => {
  const h2load = requirePeer(t, 'h2load');
  if (h2load === undefined) return;
  const { port, connections } = await echoServer(t);
  const url = `http://127.0.0.1:${port}/100`;
  const { stdout } = await run(h2load, ['-n', '5000', '-c', '10', '-m', '50', url], limits);
  assert.match(stdout, /5000 total, 5000 started, 5000 done, 5000 succeeded, 0 failed, 0 errored, 0 timeout/);
  assert.equal(connections.length, 10);
});
