/** A control plane on documents of a test, servers of gRPC, and clients in three languages that know it by xDS alone. */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import { promisify } from 'node:util';
import type { JsonValue } from '@bufbuild/protobuf';
import * as grpc from '@grpc/grpc-js';
import { certificateFileNames } from '#app/certificate-files.ts';
import { startControlPlane } from '#app/control-plane.ts';
import { grpcBootstrap } from '#app/grpc-bootstrap.ts';
import { MeshConfiguration } from '#control/serve/mesh-configuration.ts';
import { MeshStore } from '#control/store/mesh-store.ts';
import { formatProblem } from '#core/problem.ts';
import { loadDocuments } from '#model/load.ts';
import { silentLogger } from '#observe/log.ts';
import type { TestRoot } from '../../support/certificates.ts';
import { requirePeer } from '../../support/peer.ts';
import { tempDir } from '../../support/temp-dir.ts';

/** The first build compiles gRPC, and shares two cores. */
const buildTimeoutMs = 280_000;

export const languages = ['Node', 'Python', 'Go'] as const;
export type Language = (typeof languages)[number];

type After = Pick<TestContext, 'after'>;

/** Contents of a file. */
export interface Bootstrap {
  readonly node: Readonly<Record<string, JsonValue>>;
}

export interface GrpcWorkload {
  readonly pod: string;
  /** Its service account, which is its label `app`, too. */
  readonly account: string;
  readonly certificateFolder: string;
}

export interface TestPlane {
  /** Of a workload in `r1/z1`. */
  bootstrapOf(workload: GrpcWorkload): Bootstrap;
  problems(): readonly string[];
}

export async function startPlane(t: After, documents: string): Promise<TestPlane> {
  const store = new MeshStore();
  store.update('documents', loadDocuments([{ file: 'documents', text: documents }]));
  assert.deepEqual(store.problems.filter(({ level }) => level === 'error').map(formatProblem), []);
  const settings = { trustDomain: 'cluster.local', log: silentLogger };
  const configuration = new MeshConfiguration({ ...settings, store, nowMs: Date.now });
  configuration.refresh();
  const stateFolder = tempDir(t);
  const plane = await startControlPlane({
    ...settings,
    stateFolder,
    host: '127.0.0.1',
    ports: { plaintext: 0, tls: 0, api: 0 },
    name: 'control-test',
    source: configuration,
    report: () => configuration.report(),
  });
  t.after(() => plane.close());
  const bootstrapOf = ({ pod, account, certificateFolder: folder }: GrpcWorkload): Bootstrap => {
    const bootstrap = grpcBootstrap({
      pod,
      namespace: 'default',
      workload: account,
      serviceAccount: account,
      labels: { app: account },
      address: '127.0.0.1',
      clusterId: 'Kubernetes',
      meshId: 'test',
      plaintextXds: `127.0.0.1:${plane.ports.plaintext}`,
      certificateFolder: folder,
    }) as Bootstrap;
    return { ...bootstrap, node: { ...bootstrap.node, locality: { region: 'r1', zone: 'z1' } } };
  };
  return { bootstrapOf, problems: () => configuration.problems().map(formatProblem) };
}

/** With a certificate of the account, as its agent keeps it. */
export async function certificateFolder(t: After, root: TestRoot, account: string): Promise<string> {
  const folder = tempDir(t);
  const { cert, key } = await root.issue({ uris: [`spiffe://cluster.local/ns/default/sa/${account}`] });
  writeFileSync(join(folder, certificateFileNames.chain), cert);
  writeFileSync(join(folder, certificateFileNames.key), key);
  writeFileSync(join(folder, certificateFileNames.root), root.pem);
  return folder;
}

/** One that nobody has just now. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

/** A server of gRPC that answers every method with its name. */
export interface Backend {
  readonly port: number;
  /** Calls so far. */
  readonly count: number;
  /** Answers `code` to the next `calls` calls. */
  fail(code: grpc.status, calls: number): void;
  stop(): void;
}

interface BackendOptions {
  readonly delayMs?: number;
  readonly credentials?: grpc.ServerCredentials;
}

export async function startBackend(
  t: After,
  name: string,
  { delayMs = 0, credentials = grpc.ServerCredentials.createInsecure() }: BackendOptions = {},
): Promise<Backend> {
  const server = new grpc.Server();
  let count = 0;
  let failures = 0;
  let failure = grpc.status.UNAVAILABLE;
  const same = (bytes: Buffer): Buffer => bytes;
  const codec = {
    ...{ requestSerialize: same, requestDeserialize: same },
    ...{ responseSerialize: same, responseDeserialize: same },
  };
  const answer: grpc.handleUnaryCall<Buffer, Buffer> = (_call, reply) => {
    count += 1;
    if (failures > 0) {
      failures -= 1;
      reply({ code: failure, details: `${name} is told to fail` });
    } else setTimeout(() => reply(null, Buffer.from(name)), delayMs);
  };
  const methods = ['Ask', 'Tell'].map(
    (method) =>
      [
        method,
        { path: `/test.Names/${method}`, requestStream: false, responseStream: false, ...codec },
      ] as const,
  );
  server.addService(Object.fromEntries(methods), { Ask: answer, Tell: answer });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    );
  });
  t.after(() => server.forceShutdown());
  return {
    port,
    get count() {
      return count;
    },
    fail: (code, calls) => {
      failure = code;
      failures = calls;
    },
    stop: () => server.forceShutdown(),
  };
}

export interface Call {
  /** Such as `names.test:7070`. */
  readonly to: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

export interface CallEnd {
  /** Of gRPC; 0: fine. */
  readonly code: number;
  /** The answer, or what is said of the failure. */
  readonly text: string;
}

export interface ForeignClient {
  readonly csdsAddress: string;
  call(call: Call): Promise<CallEnd>;
}

/**
 * Undefined after the test was marked as skipped.
 *
 * @param serve address that it is to serve at, too
 */
export async function startClient(
  t: After & Pick<TestContext, 'skip'>,
  language: Language,
  bootstrap: object,
  serve?: string,
): Promise<ForeignClient | undefined> {
  const folder = tempDir(t);
  const command = await commandOf(t, language);
  if (command === undefined) return undefined;
  const bootstrapFile = join(folder, 'bootstrap.json');
  writeFileSync(bootstrapFile, JSON.stringify(bootstrap));
  const [program, ...args] = [...command, ...(serve === undefined ? [] : [serve])];
  const child = spawn(program!, args, {
    stdio: ['pipe', 'pipe', 'inherit'],
    env: { ...process.env, GRPC_XDS_BOOTSTRAP: bootstrapFile, GRPC_VERBOSITY: 'ERROR' },
  });
  const gone = once(child, 'exit');
  t.after(async () => {
    child.kill('SIGKILL');
    await gone;
  });
  const waiting = new Map<number, (end: CallEnd) => void>();
  const lines = createInterface(child.stdout);
  const ended = gone.then(() => Promise.reject(new Error(`the client in ${language} has ended`)));
  const [csdsAddress] = (await Promise.race([once(lines, 'line'), ended])) as [string];
  lines.on('line', (line) => {
    const { id, ...end } = JSON.parse(line) as CallEnd & { id: number };
    waiting.get(id)?.(end);
  });
  let calls = 0;
  return {
    csdsAddress,
    call({ to, method = '/test.Names/Ask', headers = {}, timeoutMs = 30_000 }) {
      calls += 1;
      const asked = { id: calls, target: `xds:///${to}`, method, headers, timeoutMs };
      const end = new Promise<CallEnd>((resolve) => waiting.set(calls, resolve));
      child.stdin.write(`${JSON.stringify(asked)}\n`);
      return Promise.race([end, ended]);
    },
  };
}

async function commandOf(
  t: Pick<TestContext, 'skip'>,
  language: Language,
): Promise<readonly string[] | undefined> {
  if (language === 'Node') return [process.execPath, join(import.meta.dirname, 'client.mjs')];
  if (language === 'Python') {
    const python = requirePeer(t, 'python-clients');
    return python === undefined ? undefined : [python, join(import.meta.dirname, 'client.py')];
  }
  const go = requirePeer(t, 'go');
  if (go === undefined) return undefined;
  built ??= buildClient(go);
  return [await built];
}

/** Once for all tests of this process. */
let built: Promise<string> | undefined;

async function buildClient(go: string): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'heddle-test-'));
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const program = join(folder, 'grpc-client');
  await promisify(execFile)(go, ['build', '-mod=readonly', '-o', program, '.'], {
    cwd: join(import.meta.dirname, 'go'),
    timeout: buildTimeoutMs,
  });
  return program;
}
