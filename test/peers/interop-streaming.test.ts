/**
 * Bodies that go on for long, with the proxy between ends that are not ours: each piece arrives before the next
 * one is sent, in both directions, so that nothing on the way waits for more.
 */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import http2 from 'node:http2';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { findPeer, type PeerName } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';
import type { Upstream } from './interop/proxy.ts';
import { type Case, interop, type Rig } from './interop/rig.ts';
import { buildGo, endWith, listening } from './interop/upstreams.ts';

type Hooks = Pick<TestContext, 'after'>;

interface Answer extends Writable {
  setHeader(name: string, value: string): unknown;
}

/** A server that streams what the test says, and tells what came. */
class Source {
  #answers: Answer[] = [];
  #received = '';

  /** For servers of both versions. */
  readonly listener = (request: unknown, response: unknown): void => {
    (request as Readable).on('data', (chunk) => (this.#received += String(chunk)));
    // A client that was killed.
    (request as Readable).on('error', () => {});
    const answer = response as Answer;
    answer.setHeader('content-type', 'text/event-stream');
    answer.on('error', () => {});
    this.#answers.push(answer);
    answer.write('data: open\n\n');
  };

  /** The answer under way. */
  get answer(): Writable {
    return this.#answers.at(-1)!;
  }

  get received(): string {
    return this.#received;
  }

  forget(): void {
    this.#received = '';
  }
}

interface Extra {
  readonly sources: Readonly<Record<string, Source>>;
  readonly go: string;
}

interface StreamClient {
  readonly name: string;
  readonly peer: PeerName;
  readonly secured: boolean;
  command(url: string, rig: Rig & Extra): readonly [string, ...string[]];
}

const at = (name: string): string => `${import.meta.dirname}/interop/program/${name}`;
const curl =
  (...flags: string[]): StreamClient['command'] =>
  (url, { certificates }) => ['curl', '-sSN', '--cacert', certificates.root, ...flags, url];
const python =
  (kind: string): StreamClient['command'] =>
  (url, { certificates }) => [findPeer('python-clients')!, at('stream.py'), kind, certificates.root, url];
const undici =
  (version: string): StreamClient['command'] =>
  (url, { certificates }) => [
    process.execPath,
    ...[at('stream-undici.mjs'), version, certificates.root, findPeer('node-clients')!, url],
  ];
const go =
  (version: string): StreamClient['command'] =>
  (url, rig) => [rig.go, 'stream', version, rig.certificates.root, url];

const clients: readonly StreamClient[] = [
  { name: 'curl, HTTP/1.1', peer: 'curl', secured: false, command: curl('--http1.1') },
  { name: 'curl, HTTP/2', peer: 'curl', secured: false, command: curl('--http2-prior-knowledge') },
  { name: 'curl, HTTP/2 over TLS', peer: 'curl', secured: true, command: curl('--http2') },
  { name: 'requests', peer: 'python-clients', secured: false, command: python('requests') },
  { name: 'httpx, HTTP/1.1', peer: 'python-clients', secured: true, command: python('httpx-1.1') },
  { name: 'httpx, HTTP/2', peer: 'python-clients', secured: true, command: python('httpx-2') },
  { name: 'undici, HTTP/1.1', peer: 'node-clients', secured: false, command: undici('1.1') },
  { name: 'undici, HTTP/2', peer: 'node-clients', secured: true, command: undici('2') },
  { name: 'Go, HTTP/1.1', peer: 'go', secured: false, command: go('1.1') },
  { name: 'Go, HTTP/2', peer: 'go', secured: false, command: go('2') },
];

const pieces = 5;
/** Far below the idle timeout of streams, which would end it too. */
const departureDeadlineMs = 10_000;

interface Running {
  readonly child: ChildProcess;
  output(): string;
}

function start(t: Hooks, [program, ...args]: readonly [string, ...string[]]): Running {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  endWith(t, child);
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text) => (output += String(text)));
  return { child, output: () => output };
}

async function says({ output }: Running, text: string): Promise<void> {
  await eventually(() => assert.ok(output().includes(text), `no "${text}" in ${output()}`), { everyMs: 5 });
}

async function events(
  client: StreamClient,
  upstream: string,
  rig: Rig & Extra,
  t: TestContext,
): Promise<void> {
  const source = rig.sources[upstream]!;
  const url = `${client.secured ? 'https' : 'http'}://localhost:${rig.proxy.port(upstream, client.secured)}/events`;
  const running = start(t, client.command(url, rig));
  const ended = new Promise((done) => running.child.once('close', done));
  await says(running, 'data: open');
  for (let piece = 0; piece < pieces; piece++) {
    source.answer.write(`data: event ${piece}\n\n`);
    await says(running, `data: event ${piece}`);
  }
  source.answer.end('data: last\n\n');
  assert.equal(await ended, 0, running.output());
  assert.match(running.output(), /data: last/);
}

/** curl sends what comes on its standard input as it comes. */
async function uploads(
  flags: readonly string[],
  upstream: string,
  rig: Rig & Extra,
  t: TestContext,
): Promise<void> {
  const source = rig.sources[upstream]!;
  source.forget();
  const url = `http://localhost:${rig.proxy.port(upstream, false)}/upload`;
  const running = start(t, ['curl', '-sSN', ...flags, '-T', '.', '-H', 'expect:', url]);
  const ended = new Promise((done) => running.child.once('close', done));
  for (let piece = 0; piece < pieces; piece++) {
    running.child.stdin!.write(`piece ${piece}\n`);
    await eventually(() => assert.match(source.received, new RegExp(`piece ${piece}\n`)), { everyMs: 5 });
  }
  running.child.stdin!.end();
  await says(running, 'data: open');
  source.answer.end();
  assert.equal(await ended, 0, running.output());
}

/** The server hears of it when the client goes away in the middle. */
async function departure(
  client: StreamClient,
  upstream: string,
  rig: Rig & Extra,
  t: TestContext,
): Promise<void> {
  const source = rig.sources[upstream]!;
  const url = `${client.secured ? 'https' : 'http'}://localhost:${rig.proxy.port(upstream, client.secured)}/events`;
  const running = start(t, client.command(url, rig));
  await says(running, 'data: open');
  const { answer } = source;
  const gone = once(answer, 'close', { signal: AbortSignal.timeout(departureDeadlineMs) });
  running.child.kill('SIGKILL');
  await gone;
}

const upstreams = ['node-h1', 'node-h2'] as const;

const cases = upstreams.flatMap((upstream): Case<Upstream, Extra>[] => [
  ...clients.flatMap((client): Case<Upstream, Extra>[] => [
    {
      name: `events to ${client.name} from ${upstream}`,
      peers: [client.peer],
      run: (rig, t) => events(client, upstream, rig, t),
    },
  ]),
  ...clients.slice(0, 2).flatMap((client): Case<Upstream, Extra>[] => [
    {
      name: `${client.name} leaves ${upstream} in the middle`,
      peers: [client.peer],
      run: (rig, t) => departure(client, upstream, rig, t),
    },
  ]),
  ...(['--http1.1', '--http2-prior-knowledge'] as const).map(
    (flag): Case<Upstream, Extra> => ({
      name: `a body from curl ${flag} to ${upstream}`,
      peers: ['curl'],
      run: (rig, t) => uploads([flag], upstream, rig, t),
    }),
  ),
]);

interop<Upstream, Extra>({
  name: 'streaming',
  peers: ['go'],
  async start(t) {
    const sources = { 'node-h1': new Source(), 'node-h2': new Source() };
    const h1 = await listening(t, http.createServer(sources['node-h1'].listener));
    const h2 = await listening(t, http2.createServer(sources['node-h2'].listener));
    return {
      sources,
      go: buildGo(tempDir(t)),
      upstreams: [
        { name: 'node-h1', protocol: 'HTTP/1.1', port: h1 },
        { name: 'node-h2', protocol: 'HTTP/2', port: h2 },
      ],
    };
  },
  cases,
});
