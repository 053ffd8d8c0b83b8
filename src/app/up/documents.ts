/** The YAML files of a mesh: found, read, and watched for a change. */
import { type FSWatcher, readdirSync, readFileSync, statSync, watch } from 'node:fs';
import { dirname, join } from 'node:path';
import { CliError } from '#cli/exit.ts';
import type { SourceText } from '#model/load.ts';

const isDocumentFile = (name: string): boolean => /\.(ya?ml|json)$/.test(name) && !name.startsWith('.');
const isHidden = (name: string): boolean => name.startsWith('.') || name === 'node_modules';
/** An editor writes in several steps; a reading between two of them would find half a file. */
const SETTLE_MS = 50;
/** Events of the file system can be lost; a look from time to time finds what they did not say. */
const LOOK_AGAIN_MS = 2_000;

/** All files of `paths`, folders with their subfolders, in order. Throws a {@link CliError} for a path that is not there. */
export function readDocuments(paths: readonly string[]): SourceText[] {
  return documentFiles(paths).map((file) => ({ file, text: readFileSync(file, 'utf8') }));
}

export function documentFiles(paths: readonly string[]): string[] {
  return paths.flatMap((path) => {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) {
      throw new CliError(`there is no file or folder ${path}`, {
        advice: 'Give files or folders of YAML documents.',
      });
    }
    return stat.isDirectory() ? filesBelow(path) : [path];
  });
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return isHidden(entry.name) ? [] : filesBelow(path);
      return isDocumentFile(entry.name) ? [path] : [];
    });
}

/**
 * Calls `onChange` when any file of `paths` has changed, come or gone.
 *
 * @returns ends the watch
 */
export function watchDocuments(paths: readonly string[], onChange: () => void): () => void {
  let seen = fingerprint(paths);
  let settle: NodeJS.Timeout | undefined;
  const look = (): void => {
    const now = fingerprint(paths);
    if (now === seen) return;
    seen = now;
    onChange();
  };
  const soon = (): void => {
    clearTimeout(settle);
    settle = setTimeout(look, SETTLE_MS);
  };
  const watchers = watchedFolders(paths).flatMap((folder) => watchFolder(folder, soon));
  const again = setInterval(look, LOOK_AGAIN_MS);
  return () => {
    clearInterval(again);
    clearTimeout(settle);
    for (const watcher of watchers) watcher.close();
  };
}

/** Folders, not files: an editor that replaces a file would leave us watching the old one. */
function watchedFolders(paths: readonly string[]): string[] {
  return [
    ...new Set([
      ...paths.filter((path) => statSync(path).isDirectory()),
      ...documentFiles(paths).map((file) => dirname(file)),
    ]),
  ];
}

function watchFolder(folder: string, onEvent: () => void): FSWatcher[] {
  try {
    const watcher = watch(folder, onEvent);
    watcher.on('error', () => watcher.close());
    return [watcher];
  } catch {
    return []; // the look from time to time remains
  }
}

function fingerprint(paths: readonly string[]): string {
  try {
    return documentFiles(paths)
      .map((file) => {
        const { mtimeMs, size, ino } = statSync(file);
        return `${file}\0${mtimeMs}\0${size}\0${ino}`;
      })
      .join('\n');
  } catch {
    return 'gone';
  }
}
