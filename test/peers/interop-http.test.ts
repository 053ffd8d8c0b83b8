/** Clients and servers that are not ours, with the proxy between them: every client with every server. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from '../support/eventually.ts';
import { tempDir } from '../support/temp-dir.ts';
import { type Client, type ClientPlace, clients, type Question, sha256 } from './interop/clients.ts';
import { interop, type Rig } from './interop/rig.ts';
import {
  buildGo,
  type HttpUpstream,
  largeBody,
  startHttpUpstreams,
  upstreamPeers,
} from './interop/upstreams.ts';

interface Extra {
  readonly go: string;
  /** A file of bytes in which no place is like another. */
  readonly body: string;
  readonly bodySha256: string;
}

interface Exchange extends Question {
  readonly status: number;
  readonly sha256: string;
  /** The path in the access log. */
  readonly path: string;
}

function exchangesWith(upstream: HttpUpstream, client: Client, rig: Rig & Extra, tag: string): Exchange[] {
  const scheme = client.secured ? 'https' : 'http';
  const base = `${scheme}://localhost:${rig.proxy.port(upstream.name, client.secured)}`;
  const get = (name: string, status: number, body: string | Buffer): Exchange => {
    const path = `${name}?${tag}`;
    return { method: 'GET', url: base + path, path, status, sha256: sha256(body) };
  };
  const path = `/echo?${tag}`;
  const echo = {
    method: 'POST',
    url: base + path,
    path,
    status: 200,
    sha256: rig.bodySha256,
    body: rig.body,
  } as const;
  return [
    get('/hello', 200, `hello from ${upstream.name}`),
    get('/large', 200, largeBody),
    get('/missing', 404, 'none'),
    ...(upstream.echoes ? [echo] : []),
  ];
}

async function everyServer(client: Client, rig: Rig<HttpUpstream> & Extra): Promise<void> {
  const place: ClientPlace = { root: rig.certificates.root, go: rig.go };
  for (const [at, upstream] of rig.upstreams.entries()) {
    const tag = `${clients.indexOf(client)}-${at}`;
    const exchanges = exchangesWith(upstream, client, rig, tag);
    const replies = await client.ask(exchanges, place);
    assert.deepEqual(
      replies.map(({ status, sha256: found }) => ({ status, sha256: found })),
      exchanges.map(({ status, sha256: expected }) => ({ status, sha256: expected })),
      `${client.name} with ${upstream.name}`,
    );
    await eventually(() => {
      const lines = rig.proxy.log();
      for (const { path, status } of exchanges) {
        const line = `${path} ${client.protocol} ${status}`;
        assert.ok(
          lines.includes(line),
          `no "${line}" in ${lines.filter((one) => one.endsWith(tag)).join('\n')}`,
        );
      }
    });
  }
}

/** As many as its options say, all of them 2xx. */
async function h2loadEveryServer(flags: readonly string[], { proxy, upstreams }: Rig): Promise<void> {
  const requests = 2000;
  for (const { name } of upstreams) {
    const url = `http://localhost:${proxy.port(name, false)}/hello`;
    const args = ['-n', String(requests), '-c', '4', ...flags, url];
    const { stdout } = await promisify(execFile)('h2load', args, { timeout: 60_000 });
    assert.match(stdout, new RegExp(`status codes: ${requests} 2xx`), `${name}: ${stdout}`);
  }
}

interop<HttpUpstream, Extra>({
  name: 'HTTP',
  peers: upstreamPeers,
  async start(t) {
    const folder = tempDir(t);
    const bytes = Buffer.from(Array.from({ length: 100_000 }, (_, at) => `${at},`).join(''));
    const body = join(folder, 'body');
    writeFileSync(body, bytes);
    const upstreams = await startHttpUpstreams(t);
    return { upstreams, go: buildGo(folder), body, bodySha256: sha256(bytes) };
  },
  cases: [
    ...clients.map((client) => ({
      name: client.name,
      peers: [client.peer],
      run: (rig: Rig<HttpUpstream> & Extra) => everyServer(client, rig),
    })),
    {
      name: 'h2load, HTTP/1.1',
      peers: ['h2load'],
      run: (rig) => h2loadEveryServer(['--h1'], rig),
    },
    {
      name: 'h2load, HTTP/2, 32 streams a connection',
      peers: ['h2load'],
      run: (rig) => h2loadEveryServer(['-m', '32'], rig),
    },
  ],
});
