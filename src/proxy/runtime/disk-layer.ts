/** A folder whose files are keys of the runtime (Envoy, "Updating runtime values via symbolic link swap"). */
import { readdirSync, readFileSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { entryOfYaml, type RuntimeEntries, type RuntimeEntry } from './entry.ts';

/** Deeper than anybody means: a folder that holds itself. */
const MAX_DEPTH = 16;

/** Undefined where there is no such folder. @throws where something in it cannot be read */
export function readDiskLayer(folder: string): RuntimeEntries | undefined {
  if (kindOf(folder)?.isDirectory() !== true) return undefined;
  const entries = new Map<string, RuntimeEntry>();
  walk(folder, '', 0, entries);
  return entries;
}

function walk(folder: string, prefix: string, depth: number, entries: Map<string, RuntimeEntry>): void {
  if (depth > MAX_DEPTH) throw new Error(`${folder}: folders in one another are more than ${MAX_DEPTH} deep`);
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const key = prefix === '' ? name : `${prefix}.${name}`;
    const kind = kindOf(path);
    if (kind?.isDirectory() === true) walk(path, key, depth + 1, entries);
    else if (kind?.isFile() === true) {
      const entry = entryOfYaml(withoutComments(readFileSync(path, 'utf8')));
      if (entry === undefined) throw new Error(`${path}: not valid YAML`);
      entries.set(key, entry);
    }
  }
}

function kindOf(path: string): Stats | undefined {
  return statSync(path, { throwIfNoEntry: false });
}

/** Without lines that begin with `#`, and white space at the end. */
function withoutComments(text: string): string {
  return text
    .split('\n')
    .filter((line) => !line.startsWith('#'))
    .join('\n')
    .trimEnd();
}
