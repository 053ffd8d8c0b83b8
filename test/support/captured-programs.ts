/** A captured mesh in which programs are run that know nothing of it: `front` runs them, as its tests say. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { type RunningMesh, startMesh } from './mesh.ts';
import { ingressTo, workload } from './small-mesh.ts';

export interface CapturedPrograms {
  readonly mesh: RunningMesh;
  /** What a program prints in the Pod of `front`; rejects where it does not end well. */
  run(command: readonly string[], more?: Surroundings): Promise<string>;
  /** How it ends, for those that are not to end well. */
  attempt(command: readonly string[], more?: Surroundings): Promise<Ended>;
  /** Ends the mesh; call it in `after`. */
  stop(): Promise<void>;
}

export interface Surroundings {
  /** What it reads from standard input. */
  readonly input?: string;
  /** All there is in its environment but PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface Ended {
  /** Exit code, or the signal; why it did not start. */
  readonly end: number | string;
  readonly stdout: string;
  readonly stderr: string;
}

/** By image, the words of a command. */
export type Images = Readonly<Record<string, readonly string[]>>;

const applications = resolve(import.meta.dirname, '../apps');

/** The command of an application of `test/apps`. */
export const ownApplication = (file: string): string[] => [process.execPath, join(applications, file)];

/**
 * Under STRICT mutual TLS.
 * @param documents each ends with `---`
 * @param folder where commands run; it goes with the mesh
 * @param stateDirectory of the mesh, which stays; absent: one of its own
 */
export async function startCapturedPrograms(
  images: Images,
  documents: string,
  folder: string = mkdtempSync(join(tmpdir(), 'heddle-test-')),
  stateDirectory?: string,
): Promise<CapturedPrograms> {
  chmodSync(folder, 0o755);
  const file = join(folder, 'mesh.yaml');
  const commands = Object.entries({ 'front:1': ownApplication('executor.ts'), ...images }).map(
    ([image, command]) => `  ${image}: {command: ${JSON.stringify(command)}}`,
  );
  writeFileSync(
    file,
    `
apiVersion: heddle.dev/v1alpha1
kind: LocalMesh
metadata: {name: programs}
images:
${commands.join('\n')}
---
${workload({ name: 'front', container: 'image: front:1\nports: [{containerPort: 9080}]' })}${documents}
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: istio-system}
spec: {mtls: {mode: STRICT}}
---
${ingressTo('front')}`,
  );
  const remove = (): void => rmSync(folder, { recursive: true, force: true, maxRetries: 3 });
  const mesh = await startMesh([file], {
    args: ['--capture', 'always'],
    ...(stateDirectory !== undefined && { stateDirectory }),
  }).catch((error: unknown) => {
    remove();
    throw error;
  });
  const attempt = async (
    command: readonly string[],
    { input = '', env = {} }: Surroundings = {},
  ): Promise<Ended> => {
    const body = JSON.stringify({ command, input, env });
    const response = await fetch(mesh.ingressUrl, { method: 'POST', body });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text) as Ended;
  };
  return {
    mesh,
    attempt,
    async run(command, more) {
      const { end, stdout, stderr } = await attempt(command, more);
      assert.equal(end, 0, `${command.join(' ')}: ${end}\n${stdout}${stderr}`);
      return stdout;
    },
    async stop() {
      try {
        await mesh.stop();
      } finally {
        remove();
      }
    },
  };
}
