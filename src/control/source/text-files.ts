/** Finding and reading the files of a source. */
import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Problem } from '#core/problem.ts';
import type { SourceText } from '#model/load.ts';

export interface TextFiles {
  /** In order of the paths, and of names inside a folder. */
  readonly texts: readonly SourceText[];
  /** Paths that are not there or cannot be read. */
  readonly problems: readonly Problem[];
}

/** Endings of the files that a folder contributes; a file that is named itself may be called anything. */
export const yamlEndings: readonly string[] = ['.yaml', '.yml'];
export const jsonEndings: readonly string[] = ['.json'];

/** @param paths files, or folders that contribute the files directly in them. */
export async function readTextFiles(
  paths: readonly string[],
  endings: readonly string[],
): Promise<TextFiles> {
  const texts: SourceText[] = [];
  const problems: Problem[] = [];
  for (const one of paths) {
    try {
      for (const file of await filesOf(one, endings)) {
        const text = await readIfThere(file);
        if (text !== undefined) texts.push({ file, text });
      }
    } catch (error) {
      problems.push({ level: 'error', message: `cannot read ${one}: ${reasonOf(error)}` });
    }
  }
  return { texts, problems };
}

async function filesOf(one: string, endings: readonly string[]): Promise<readonly string[]> {
  if (!(await stat(one)).isDirectory()) return [one];
  const entries = await readdir(one, { withFileTypes: true });
  return entries
    .filter((entry) => !entry.isDirectory() && isTextFile(entry.name, endings))
    .map(({ name }) => path.join(one, name))
    .sort();
}

/** Whether a folder contributes a file of that name. */
export function isTextFile(file: string, endings: readonly string[]): boolean {
  return !path.basename(file).startsWith('.') && endings.includes(path.extname(file));
}

/** Undefined for a file that went away since its folder was listed. */
async function readIfThere(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

/** Of an error of the file system, in words. */
export function reasonOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ENOENT' ? 'there is no such file or folder' : message;
}
