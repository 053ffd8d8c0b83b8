/** What all rows of a run share: cores, backends on the load's core, certificates, a scratch folder. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { findPeer } from '../support/peer.ts';
import { grpcMessage, largeBodyBytes, nginxBackend } from './config/backend.ts';
import { makeCertificates } from './config/certificate.ts';
import type { Certificates } from './config/work.ts';
import { freePorts, stopChild } from './process.ts';

/** The load, the backends and the run itself. */
export const loadCore = 0;
export const proxyCore = 1;

/** nginx over HTTP/1.1 and HTTP/2; and our own: gRPC calls that echo, WebSocket that echoes, endless bytes. */
export type BackendName = 'h1' | 'h2' | 'stream' | 'websocket' | 'tcp';

export interface Bed {
  readonly folder: string;
  readonly backends: Readonly<Record<BackendName, number>>;
  readonly certificates: Certificates;
  /** Paths. */
  readonly loadProgram: string;
  readonly fortio: string;
}

/** Sent over and over. */
const endlessBytes = 4 * 1024 * 1024;

/** Runs `body` with the backends up; leaves nothing behind. */
export async function withBed<T>(body: (bed: Bed) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-bench-'));
  const children: ChildProcess[] = [];
  try {
    const loadProgram = buildLoad(folder);
    const { h1, h2 } = await startNginx(folder, children);
    const endless = join(folder, 'endless');
    writeFileSync(endless, Buffer.alloc(endlessBytes, 'x'));
    const own = (args: readonly string[]): Promise<number> => startOwn(loadProgram, args, children);
    const stream = await own(['serve-stream']);
    const websocket = await own(['serve-websocket']);
    const tcp = await own(['serve-tcp', '-file', endless]);
    return await body({
      folder,
      backends: { h1, h2, stream, websocket, tcp },
      certificates: makeCertificates(folder),
      loadProgram,
      fortio: findPeer('fortio') ?? 'fortio',
    });
  } finally {
    await Promise.all(children.map(stopChild));
    rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  }
}

function buildLoad(folder: string): string {
  const go = findPeer('go');
  if (go === undefined) throw new Error('the load is built by Go: npm run peers go');
  const program = join(folder, 'load');
  const cwd = resolve(import.meta.dirname, 'load');
  execFileSync(go, ['build', '-o', program, '.'], { cwd, stdio: ['ignore', 'ignore', 'pipe'] });
  return program;
}

async function startNginx(folder: string, children: ChildProcess[]): Promise<{ h1: number; h2: number }> {
  const nginx = findPeer('nginx');
  if (nginx === undefined) throw new Error('the backend is nginx: npm run peers nginx');
  const [h1Port = 0, h2Port = 0] = await freePorts(2);
  const own = join(folder, 'backend');
  mkdirSync(own);
  writeFileSync(join(own, '64k'), 'x'.repeat(largeBodyBytes));
  writeFileSync(join(own, 'message'), grpcMessage());
  const config = join(own, 'nginx.conf');
  writeFileSync(config, nginxBackend({ h1Port, h2Port, folder: own }));
  // nginx's workers may run as another user where its master is root: they must be able to read the bodies.
  execFileSync('chmod', ['-R', 'a+rX', folder]);
  children.push(spawn(nginx, ['-p', own, '-c', config], { stdio: 'ignore' }));
  return { h1: h1Port, h2: h2Port };
}

/** A server of `load/`, which prints its port and ends with its standard input. */
function startOwn(program: string, args: readonly string[], children: ChildProcess[]): Promise<number> {
  const child = spawn(program, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(child);
  return new Promise((done, reject) => {
    child.stdout.once('data', (line: Buffer) => done(Number(line.toString())));
    child.once('exit', (code) => reject(new Error(`${args[0]} ended with ${code}`)));
    child.once('error', reject);
  });
}
