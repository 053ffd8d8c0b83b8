/** Writes `mesh.json`, and ends what an earlier runner that was killed has left behind. */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type MeshState, meshFilePath, readMeshState } from '#cli/mesh-state.ts';
import { signalGroup } from '#host/process.ts';
import { isAlive, processGroup } from '#host/process-identity.ts';

export function writeMeshFile(stateDirectory: string, state: MeshState): void {
  const path = meshFilePath(stateDirectory);
  writeFileSync(`${path}.new`, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** @returns the names of processes that still ran and have been ended; only with the lock of the mesh in hand */
export function endLeftovers(stateDirectory: string): string[] {
  const left = readMeshState(stateDirectory)?.processes.filter((process) => isAlive(process)) ?? [];
  for (const { pid } of left) signalGroup(processGroup(pid) ?? pid, 'SIGKILL');
  // What instances of that run kept is of no use to those of this one, which have the same names.
  rmSync(join(stateDirectory, 'instances'), { recursive: true, force: true });
  return left.map(({ name }) => name);
}
