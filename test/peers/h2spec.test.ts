/** h2spec on the server side of our HTTP/2 codec, alone and in the proxy. */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startDataPath } from '../support/data-path.ts';
import { startEnvoy } from '../support/envoy.ts';
import { echoServer } from '../support/h2-echo-server.ts';
import { assertNotWorse, assertVerdict, h2Bootstrap, judged, type Verdict } from '../support/h2spec.ts';
import { requirePeer } from '../support/peer.ts';

/** Answers come so late that a stream is in the state that a case is about when its frames arrive. */
const ANSWER_MS = 30;

/** Runs it and reads what it prints. */
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

const words = '{ match: { prefix: "/" }, route: { cluster: words } }';

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

async function judgeServer(t: TestContext, program: string, port: number): Promise<Verdict> {
  const verdict = await judged(() => judge(program, ['--port', String(port)]));
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
  const text = h2Bootstrap([words], [await lateWords(t)]);
  const proxy = await startDataPath(t, text);
  const ours = await judgeServer(t, program, proxy.port('h2'));
  assertNotWorse(t, ours, await judgeServer(t, program, (await startEnvoy(t, envoy, text)).port('h2')), 140);
});
