/** The files that a running mesh has loaded, as they are now. */
import { readFileSync } from 'node:fs';
import { apiClient } from '#api/client.ts';
import type { SourceText } from '#model/load.ts';
import { ask } from './command/proxy-status.ts';
import { CliError } from './exit.ts';
import { findMesh, type MeshChoice } from './mesh-state.ts';

/**
 * @param given texts to be read with them; a file that is among both is read once
 *
 * What the control plane keeps is decoded already, so its documents are read again where they stand. Throws a
 * {@link CliError} where a file cannot be read from here.
 */
export async function meshTexts(choice: MeshChoice, given: readonly SourceText[]): Promise<SourceText[]> {
  const { mesh } = findMesh(choice);
  const { resources } = await ask(() => apiClient(mesh.apiUrl).config());
  const files = new Set(resources.flatMap(({ file }) => file ?? []));
  const here = new Set(given.map(({ file }) => file));
  const loaded = [...files].filter((file) => !here.has(file)).map(textOf);
  return [...loaded, ...given];
}

function textOf(file: string): SourceText {
  try {
    return { file, text: readFileSync(file, 'utf8') };
  } catch (error) {
    throw new CliError(`Cannot read ${file}, which the mesh has loaded: ${(error as Error).message}`, {
      advice: 'Run heddle analyze where the files of the mesh are.',
      cause: error,
    });
  }
}
