/**
 * Servers that are not ours behind the proxy. All answer `/hello` with `hello from NAME`, `/large` with a
 * mebibyte, anything else with 404 and `none`; and `/echo` with what it was sent, but for nginx.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import http2 from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import type { Readable, Writable } from 'node:stream';
import type { TestContext } from 'node:test';
import { findPeer, type PeerName } from '../../support/peer.ts';
import { tempDir } from '../../support/temp-dir.ts';
import type { Upstream } from './proxy.ts';

type Hooks = Pick<TestContext, 'after'>;

export const largeBody: Buffer = Buffer.from('large'.repeat(Math.floor(2 ** 20 / 5)));

export interface HttpUpstream extends Upstream {
  readonly echoes: boolean;
}

/** Peers that must be there for {@link startHttpUpstreams}. */
export const upstreamPeers: readonly PeerName[] = ['go', 'nginx', 'python3'];

export async function startHttpUpstreams(t: Hooks): Promise<HttpUpstream[]> {
  const nginx = await startNginx(t);
  const go = buildGo(tempDir(t));
  const python = join(import.meta.dirname, 'program/serve.py');
  const h1 = { protocol: 'HTTP/1.1', echoes: true } as const;
  const h2 = { protocol: 'HTTP/2', echoes: true } as const;
  return [
    { ...h1, name: 'node-h1', port: await listening(t, http.createServer(answer('node-h1'))) },
    { ...h2, name: 'node-h2', port: await listening(t, http2.createServer(answer('node-h2'))) },
    { ...h1, name: 'go-h1', port: await startServer(t, go, ['serve', 'h1']) },
    { ...h2, name: 'go-h2', port: await startServer(t, go, ['serve', 'h2']) },
    { ...h1, name: 'python-h1', port: await startServer(t, findPeer('python3')!, [python]) },
    { ...h1, name: 'nginx-h1', port: nginx.h1, echoes: false },
    { ...h2, name: 'nginx-h2', port: nginx.h2, echoes: false },
  ];
}

/** What requests and responses of both versions have. */
interface Asked extends Readable {
  readonly url?: string;
}
interface Answer extends Writable {
  statusCode: number;
}

const answer =
  (name: string) =>
  (request: unknown, response: unknown): void => {
    const { url } = request as Asked;
    const reply = response as Answer;
    const path = url?.split('?')[0];
    if (path === '/hello') reply.end(`hello from ${name}`);
    else if (path === '/large') reply.end(largeBody);
    else if (path === '/echo') (request as Asked).pipe(reply);
    else {
      reply.statusCode = 404;
      reply.end('none');
    }
  };

/** The port of a server of this process, which ends with the test. */
export async function listening(t: Hooks, server: http.Server | http2.Http2Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const sockets = new Set<{ destroy(): unknown }>();
  server.on('connection', (socket) => sockets.add(socket));
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}

/** The port that a program prints; it ends with its standard input, and with the test at the latest. */
export async function startServer(t: Hooks, program: string, args: readonly string[]): Promise<number> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'pipe'] });
  endWith(t, child);
  let said = '';
  child.stderr.on('data', (text) => (said += String(text)));
  return new Promise((done, reject) => {
    child.stdout.once('data', (line: Buffer) => done(Number(line.toString())));
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${program} ended with ${code}: ${said}`)));
  });
}

export function endWith(t: Hooks, child: ChildProcess): void {
  const ended = new Promise((done) => child.once('close', done));
  t.after(async () => {
    child.kill('SIGKILL');
    await ended;
  });
}

/** Path of the program in `program/go`, built. */
export function buildGo(folder: string): string {
  const program = join(folder, 'interop');
  const cwd = join(import.meta.dirname, 'program/go');
  execFileSync(findPeer('go')!, ['build', '-o', program, '.'], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  return program;
}

async function startNginx(t: Hooks): Promise<{ h1: number; h2: number }> {
  const folder = join(tempDir(t), 'nginx');
  mkdirSync(folder);
  // Its workers run as another user where the test runs as root.
  chmodSync(join(folder, '..'), 0o755);
  writeFileSync(join(folder, 'large'), largeBody);
  const [h1 = 0, h2 = 0] = [await freePort(), await freePort()];
  const config = join(folder, 'nginx.conf');
  writeFileSync(config, nginxConfig(folder, h1, h2));
  const child = spawn(findPeer('nginx')!, ['-p', folder, '-e', `${folder}/error.log`, '-c', config], {
    stdio: 'ignore',
  });
  endWith(t, child);
  return { h1, h2 };
}

const nginxConfig = (folder: string, h1: number, h2: number): string => `
daemon off;
master_process off;
worker_processes 1;
error_log ${folder}/error.log;
pid ${folder}/pid;
events { worker_connections 512; }
http {
  access_log off;
  keepalive_requests 1000000;
  client_body_temp_path ${folder}/body;
  proxy_temp_path ${folder}/proxy;
  fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi;
  scgi_temp_path ${folder}/scgi;
  ${[
    ['h1', `${h1}`],
    ['h2', `${h2} http2`],
  ]
    .map(
      ([name, listen]) => `server {
    listen 127.0.0.1:${listen};
    location = /hello { return 200 "hello from nginx-${name}"; }
    location = /large { root ${folder}; }
    location / { return 404 "none"; }
  }`,
    )
    .join('\n')}
}
`;

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}
