/** All scripts of management servers, for those who count them. */
import { globSync } from 'node:fs';
import { join } from 'node:path';
import type { Script } from './script.ts';

export async function scripts(): Promise<Script[]> {
  const files = globSync('*.test.ts', { cwd: import.meta.dirname }).sort();
  const modules = await Promise.all(
    files.map(
      (file) => import(join(import.meta.dirname, file)) as Promise<{ readonly scripts: readonly Script[] }>,
    ),
  );
  return modules.flatMap((module) => module.scripts);
}
