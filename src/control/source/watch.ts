/**
 * Files and folders that are read again when they change. Folders are watched rather than files, as
 * many editors save by renaming a new file over the old one.
 */
import { type FSWatcher, statSync, watch } from 'node:fs';
import path from 'node:path';
import { FileTexts } from './file-texts.ts';
import type { TextFiles } from './text-files.ts';

export interface WatchOptions {
  readonly paths: readonly string[];
  readonly endings: readonly string[];
  /** How long nothing may change before the files are read. */
  readonly debounceMs?: number;
}

export interface FileWatch {
  /** Reads now, and resolves when what was read has been delivered. */
  refresh(): Promise<void>;
  close(): void;
}

const defaultDebounceMs = 50;

/** After so many pauses the files are read even if changes keep coming. */
const longestPauses = 5;

/** Where so many files have changed, all are looked at: the system may have kept some changes to itself. */
const manyFiles = 1000;

/** How often a folder that is not there is looked for again. */
const lookAgainMs = 1000;

/**
 * Delivers the files once at the start and after each change.
 *
 * @param deliver gets all files every time; a text that is the same as before may be the same object.
 */
export async function watchFiles(
  options: WatchOptions,
  deliver: (files: TextFiles) => void,
): Promise<FileWatch> {
  const reader = new Reader(options, deliver);
  const watchers = foldersOf(options.paths).map(
    (folder) => new FolderWatch(folder, (file) => reader.changed(file)),
  );
  await reader.refresh();
  return {
    refresh: () => reader.refresh(),
    close(): void {
      reader.close();
      for (const watcher of watchers) watcher.close();
    },
  };
}

/** Reads after a pause without changes, and never twice at a time. */
class Reader {
  readonly #texts: FileTexts;
  readonly #deliver: (files: TextFiles) => void;
  readonly #debounceMs: number;
  #timer: NodeJS.Timeout | undefined;
  #reading: Promise<void> = Promise.resolve();
  #last: TextFiles = { texts: [], problems: [] };
  /** Since the last reading; undefined: any. */
  #changedFiles: Set<string> | undefined = new Set();
  /** When the first change came that has not been read yet. */
  #changedAtMs: number | undefined;
  #closed = false;

  constructor(options: WatchOptions, deliver: (files: TextFiles) => void) {
    this.#texts = new FileTexts(options.paths, options.endings);
    this.#deliver = deliver;
    this.#debounceMs = options.debounceMs ?? defaultDebounceMs;
  }

  /** @param file absent: any may have changed */
  changed(file?: string): void {
    if (this.#closed) return;
    if (file === undefined) this.#changedFiles = undefined;
    else this.#changedFiles?.add(file);
    this.#changedAtMs ??= performance.now();
    // A stream of changes must not put the reading off for ever.
    const patienceMs = this.#changedAtMs + longestPauses * this.#debounceMs - performance.now();
    clearTimeout(this.#timer);
    const waitMs = Math.max(0, Math.min(this.#debounceMs, patienceMs));
    this.#timer = setTimeout(() => void this.#read('doubt emptiness'), waitMs);
  }

  refresh(): Promise<void> {
    this.#changedFiles = undefined;
    return this.#read('believe');
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
  }

  #readChanged(): Promise<TextFiles> {
    const files = this.#changedFiles;
    this.#changedFiles = new Set();
    return files === undefined || files.size > manyFiles ? this.#texts.all() : this.#texts.those(files);
  }

  #read(trust: 'believe' | 'doubt emptiness'): Promise<void> {
    // One that failed is told to who asked for it, and does not keep the next ones from being read.
    this.#reading = this.#reading
      .catch(() => {})
      .then(async () => {
        this.#changedAtMs = undefined;
        const files = await this.#readChanged();
        if (this.#closed) return;
        if (trust === 'doubt emptiness' && lostContent(this.#last, files)) {
          // Perhaps in the middle of being saved: look once more before anything is taken away.
          this.#changedFiles = undefined;
          this.#timer = setTimeout(() => void this.#read('believe'), this.#debounceMs);
          return;
        }
        this.#last = files;
        this.#deliver(files);
      });
    return this.#reading;
  }
}

/** Whether a file is gone or empty that held something before. */
function lostContent(before: TextFiles, after: TextFiles): boolean {
  const same = new Set(after.texts);
  const others = before.texts.filter((one) => one.text !== '' && !same.has(one));
  if (others.length === 0) return false;
  const now = new Map(after.texts.map(({ file, text }) => [file, text]));
  return others.some(({ file }) => (now.get(file) ?? '') === '');
}

/** One folder; looked for again where it is not there, or not any more. */
class FolderWatch {
  readonly #folder: string;
  readonly #changed: (file?: string) => void;
  #watcher: FSWatcher | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param changed told of which file, where that is known */
  constructor(folder: string, changed: (file?: string) => void) {
    this.#folder = folder;
    this.#changed = changed;
    this.#open();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#watcher?.close();
  }

  #open(): void {
    if (this.#closed) return;
    try {
      this.#watcher = watch(this.#folder, { persistent: true });
    } catch {
      this.#lookAgain();
      return;
    }
    this.#watcher.on('change', (_, name) => {
      const isThereStill = isThere(this.#folder);
      // What happens to the folder itself is told by its own name.
      const isFile = typeof name === 'string' && name !== path.basename(path.resolve(this.#folder));
      this.#changed(isFile && isThereStill ? path.join(this.#folder, name) : undefined);
      if (!isThereStill) this.#lookAgain();
    });
    this.#watcher.on('error', () => this.#lookAgain());
  }

  #lookAgain(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    clearTimeout(this.#timer);
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.#open();
      if (this.#watcher !== undefined) this.#changed();
    }, lookAgainMs);
  }
}

function foldersOf(paths: readonly string[]): readonly string[] {
  return [...new Set(paths.map((one) => (isFolder(one) ? one : path.dirname(one))))];
}

function isFolder(one: string): boolean {
  return statSync(one, { throwIfNoEntry: false })?.isDirectory() ?? path.extname(one) === '';
}

function isThere(folder: string): boolean {
  return statSync(folder, { throwIfNoEntry: false }) !== undefined;
}
