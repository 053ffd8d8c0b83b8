/**
 * The state folder of a mesh, and `mesh.json` in it: what `heddle up` writes so that every other
 * command finds the mesh without being told more than its name.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { didYouMean } from '#core/did-you-mean.ts';
import { CliError } from './exit.ts';

/** A process that `heddle up` has started, by pid and start time (a pid alone may be given out again). */
export interface StartedProcess {
  readonly name: string;
  readonly pid: number;
  readonly startTime: string;
}

export interface MeshInstance {
  /** Of the Pod, such as `reviews-v1-1`. */
  readonly name: string;
  readonly namespace: string;
  /** Of the Deployment, such as `reviews-v1`. */
  readonly workload: string;
  readonly meshAddress: string;
  readonly applicationAddress: string;
  /** TCP ports of its containers. */
  readonly ports: readonly number[];
  readonly sidecar: 'heddle' | 'envoy' | 'none';
  /** Whether a `heddle agent` keeps its certificates (proxyless gRPC, Envoy). */
  readonly agent: boolean;
  /** Of its proxy; absent where it has none. */
  readonly adminUrl?: string;
  /** What the label `version` says; empty where there is none. */
  readonly version: string;
  readonly state: string;
  readonly ready: boolean;
}

/** A Job, over all of its instances. */
export interface MeshJob {
  readonly name: string;
  readonly namespace: string;
  readonly state: 'running' | 'completed' | 'failed';
  /** Instances that have ended well. */
  readonly succeeded: number;
  /** Runs that have not. */
  readonly failed: number;
}

export interface MeshState {
  readonly name: string;
  /** Of heddle. */
  readonly version: string;
  readonly runner: { readonly pid: number; readonly startTime: string };
  readonly startedAt: string;
  /** Addresses of this machine that are the mesh's, such as `127.7.0.0/16`. */
  readonly network: string;
  /** Whether its instances are in namespaces, which this machine has no address in. */
  readonly captured: boolean;
  /** Base of the control plane's HTTP API, such as `http://127.7.0.1:15014`. */
  readonly apiUrl: string;
  /** Where requests from outside come in; empty without an ingress. */
  readonly ingressUrls: readonly string[];
  /** Gateways, in the form of instances. */
  readonly gateways: readonly MeshInstance[];
  readonly instances: readonly MeshInstance[];
  readonly jobs: readonly MeshJob[];
  readonly processes: readonly StartedProcess[];
}

/** Where meshes keep their state unless told otherwise (XDG Base Directory Specification). */
export function stateRoot(environment: Readonly<Record<string, string | undefined>> = process.env): string {
  const xdg = environment.XDG_STATE_HOME;
  return join(xdg !== undefined && xdg !== '' ? xdg : join(homedir(), '.local', 'state'), 'heddle');
}

export function stateDirectoryOf(mesh: string): string {
  return join(stateRoot(), mesh);
}

/** The file that `name` (an instance, `NAME.sidecar`, `control`) writes to. */
export function logPath(stateDirectory: string, name: string): string {
  return join(stateDirectory, 'logs', `${name}.log`);
}

export function meshFilePath(stateDirectory: string): string {
  return join(stateDirectory, 'mesh.json');
}

/** What is written there, or undefined where there is no mesh. */
export function readMeshState(stateDirectory: string): MeshState | undefined {
  try {
    return JSON.parse(readFileSync(meshFilePath(stateDirectory), 'utf8')) as MeshState;
  } catch {
    return undefined;
  }
}

/** How a command is told which mesh is meant. */
export interface MeshChoice {
  readonly state?: string;
  readonly mesh?: string;
}

export interface FoundMesh {
  readonly stateDirectory: string;
  readonly mesh: MeshState;
}

/**
 * The mesh that is meant: by `--state`, by `--mesh`, or the only one there is.
 * Throws a {@link CliError} that names the choices.
 */
export function findMesh({ state, mesh }: MeshChoice): FoundMesh {
  if (state !== undefined) {
    return existing(resolve(state), `there is no mesh in ${state}`);
  }
  const names = meshNames();
  if (mesh !== undefined) {
    const hint = didYouMean(mesh, names);
    return existing(
      stateDirectoryOf(mesh),
      `there is no mesh called ${mesh}${hint === undefined ? '' : `: ${hint}`}`,
    );
  }
  const running = names.filter((name) => isRunning(readMeshState(stateDirectoryOf(name))));
  if (running.length === 1) return existing(stateDirectoryOf(running[0]!), '');
  if (running.length === 0) {
    throw new CliError('no mesh is running', {
      advice: 'Start one with: heddle up PATH\nOne with a state folder of its own is found by --state DIR.',
    });
  }
  throw new CliError(`several meshes are running: ${running.join(', ')}`, {
    advice: `Say which one with --mesh, such as: --mesh ${running[0]}`,
  });
}

function existing(stateDirectory: string, otherwise: string): FoundMesh {
  const mesh = readMeshState(stateDirectory);
  if (mesh === undefined) throw new CliError(otherwise, { advice: 'Start one with: heddle up PATH' });
  return { stateDirectory, mesh };
}

function meshNames(): string[] {
  try {
    return readdirSync(stateRoot(), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .sort();
  } catch {
    return [];
  }
}

/** Whether the runner's pid is in use; good enough to choose by, not to kill by. */
function isRunning(mesh: MeshState | undefined): boolean {
  if (mesh === undefined) return false;
  try {
    process.kill(mesh.runner.pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
