/** All groups of the comparison, for those who count them. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { Group } from './harness/case.ts';

export async function catalogue(): Promise<Group[]> {
  const files = globSync('*.test.ts', { cwd: import.meta.dirname }).sort();
  const modules = await Promise.all(
    files.map(
      (file) => import(join(import.meta.dirname, file)) as Promise<{ readonly groups: readonly Group[] }>,
    ),
  );
  return modules.flatMap(({ groups }) => groups);
}
