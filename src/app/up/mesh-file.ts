/** Writes `mesh.json`, and ends what an earlier runner that was killed has left behind. */
import { renameSync, writeFileSync } from 'node:fs';
import { type MeshState, meshFilePath, readMeshState } from '#cli/mesh-state.ts';
import { signalGroup } from '#host/process.ts';
import { isAlive } from '#host/process-identity.ts';

export function writeMeshFile(stateDirectory: string, state: MeshState): void {
  const path = meshFilePath(stateDirectory);
  writeFileSync(`${path}.new`, `${JSON.stringify(state, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

/** @returns the names of processes that still ran and have been ended; only with the lock of the mesh in hand */
export function endLeftovers(stateDirectory: string): string[] {
  const left = readMeshState(stateDirectory)?.processes.filter((process) => isAlive(process)) ?? [];
  for (const { pid } of left) signalGroup(pid, 'SIGKILL');
  return left.map(({ name }) => name);
}
