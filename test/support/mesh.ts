/** A whole mesh for a test, started as a person starts it: `heddle up`, with a state folder of its own. */
import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type MeshInstance, type MeshState, readMeshState, type StartedProcess } from '#cli/mesh-state.ts';
import { isAlive } from '#host/process-identity.ts';
import { captureMode } from './capture-mode.ts';
import { eventually } from './eventually.ts';
import { parseSamples, type Sample } from './prometheus-text.ts';

export interface RunningMesh {
  readonly ingressUrl: string;
  readonly stateDirectory: string;
  /** As the runner tells it now. */
  state(): MeshState;
  /** Instances of a Deployment; fails when there are none. */
  instancesOf(workload: string): readonly MeshInstance[];
  /** Such as `control`, `catalog-v1-2`, `catalog-v1-2.sidecar`; fails when it does not run just now. */
  processOf(name: string): StartedProcess;
  /** What the proxy of an instance counts. */
  metricsOf(instance: Pick<MeshInstance, 'adminUrl'>): Promise<Sample[]>;
  /** Everything the runner printed so far. */
  output(): string;
  /** Stops as Ctrl-C does, and fails when a process is left. Call it in `after`. */
  stop(): Promise<void>;
}

const heddle = resolve(import.meta.dirname, '../../bin/heddle');
const startDeadlineMs = 60_000;
const stopDeadlineMs = 30_000;

export interface MeshSettings {
  readonly args?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Somebody else's, which stays; absent: one of its own. */
  readonly stateDirectory?: string;
}

/** Resolves when every instance is ready and the ingress listens; rejects with what the runner said. */
export async function startMesh(paths: readonly string[], settings: MeshSettings = {}): Promise<RunningMesh> {
  const stateDirectory = settings.stateDirectory ?? mkdtempSync(join(tmpdir(), 'heddle-mesh-'));
  const args = [
    ...['up', '--state', stateDirectory, '--ingress-port', '0', '--capture', captureMode],
    ...(settings.args ?? []),
    ...paths,
  ];
  const child = spawn(heddle, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1', ...settings.env },
  });
  const printed: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => printed.push(chunk));
  }
  const output = (): string => Buffer.concat(printed).toString();
  const state = (): MeshState => {
    const mesh = readMeshState(stateDirectory);
    if (mesh === undefined) throw new Error('no mesh.json yet');
    return mesh;
  };
  const stop = async (): Promise<void> => {
    try {
      await stopMesh(child, stateDirectory);
    } finally {
      if (settings.stateDirectory === undefined)
        rmSync(stateDirectory, { recursive: true, force: true, maxRetries: 3 });
    }
  };
  try {
    await eventually(() => child.exitCode !== null || assertUp(output(), state()), {
      timeoutMs: startDeadlineMs,
    });
    assert.equal(child.exitCode, null, 'heddle up has ended');
  } catch (cause) {
    await stop();
    throw new Error(`the mesh does not start; it said:\n${output()}`, { cause });
  }
  const instancesOf = (workload: string): readonly MeshInstance[] => {
    const { instances, gateways } = state();
    const found = [...instances, ...gateways].filter((instance) => instance.workload === workload);
    assert.notEqual(found.length, 0, `no instance of ${workload}`);
    return found;
  };
  const processOf = (name: string): StartedProcess => {
    const found = state().processes.find((process) => process.name === name);
    assert.ok(found, `no process ${name}`);
    return found;
  };
  const metricsOf = async ({ adminUrl }: Pick<MeshInstance, 'adminUrl'>): Promise<Sample[]> => {
    const response = await fetch(`${adminUrl}/stats/prometheus`);
    assert.equal(response.status, 200);
    return parseSamples(await response.text());
  };
  const [ingressUrl = ''] = state().ingressUrls;
  return { ingressUrl, stateDirectory, state, instancesOf, processOf, metricsOf, output, stop };
}

function assertUp(output: string, { instances, gateways, jobs, ingressUrls }: MeshState): void {
  const lasting = instances.filter(({ workload }) => !jobs.some(({ name }) => name === workload));
  const waiting = [...lasting, ...gateways].filter(({ ready }) => !ready).map(({ name }) => name);
  assert.ok(instances.length > 0 && ingressUrls.length > 0 && waiting.length === 0, `not ready: ${waiting}`);
  assert.match(output, /mesh \S+ is up/);
}

async function stopMesh(child: ChildProcess, stateDirectory: string): Promise<void> {
  const started = readMeshState(stateDirectory)?.processes ?? [];
  if (child.exitCode === null && child.signalCode === null) {
    const ended = new Promise<void>((done) => child.once('exit', () => done()));
    child.kill('SIGINT');
    const timer = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs);
    await ended;
    clearTimeout(timer);
  }
  assert.notEqual(child.signalCode, 'SIGKILL', `heddle up did not end within ${stopDeadlineMs} ms`);
  const left = started.filter((process) => isAlive(process)).map(({ name }) => name);
  assert.deepEqual(left, [], 'processes left behind');
}
