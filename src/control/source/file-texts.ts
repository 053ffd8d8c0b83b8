/**
 * The texts of files and folders, read again only where they may be others than before. A text that was not read again
 * is the same object, so that what was made of it can be kept.
 */
import { type BigIntStats, lstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import type { Problem } from '#core/problem.ts';
import type { SourceText } from '#model/load.ts';
import { isTextFile, reasonOf, type TextFiles } from './text-files.ts';

interface Known {
  readonly source: SourceText;
  readonly stamp: string;
  /** Whether the stamp would be another after another change: not of a file that has just been written. */
  readonly settled: boolean;
}

/** One of the paths, with its files in order. */
interface Place {
  readonly isFolder: boolean;
  files: readonly string[];
}

/** Clocks of file systems are as coarse as this. */
const COARSE_MS = 1000;
/** Files that are looked at before others have their turn. */
const FILES_AT_ONCE = 200;

export class FileTexts {
  readonly #paths: readonly string[];
  readonly #endings: readonly string[];
  readonly #places = new Map<string, Place>();
  #known = new Map<string, Known>();
  #problems: readonly Problem[] = [];
  /** What a link leads to may change without anything happening to the link. */
  #hasLinks = false;

  /** @param paths files, or folders that contribute the files directly in them */
  constructor(paths: readonly string[], endings: readonly string[]) {
    this.#paths = paths;
    this.#endings = endings;
  }

  /** Looks at every file. */
  async all(): Promise<TextFiles> {
    const problems: Problem[] = [];
    const known = new Map<string, Known>();
    this.#places.clear();
    this.#hasLinks = false;
    let looked = 0;
    for (const one of this.#paths) {
      try {
        const place = this.#list(one);
        this.#places.set(one, place);
        for (const file of place.files) {
          const found = look(file, this.#known.get(file));
          if (found !== undefined) known.set(file, found);
          if (++looked % FILES_AT_ONCE === 0) await turn();
        }
      } catch (error) {
        problems.push({ level: 'error', message: `cannot read ${one}: ${reasonOf(error)}` });
      }
    }
    this.#known = known;
    this.#problems = problems;
    return this.#texts();
  }

  /** Looks at these files alone: something happened to them, and to no others. */
  async those(files: ReadonlySet<string>): Promise<TextFiles> {
    const isSimple = !this.#hasLinks && this.#problems.length === 0 && this.#places.size > 0;
    if (!isSimple || [...files].some((file) => path.basename(file).startsWith('.'))) return this.all();
    try {
      for (const file of files) this.#lookAgain(file);
    } catch {
      return this.all();
    }
    return this.#texts();
  }

  #lookAgain(file: string): void {
    const resolved = path.resolve(file);
    for (const [one, place] of this.#places) {
      const isMeant = place.isFolder
        ? path.dirname(resolved) === path.resolve(one) && isTextFile(file, this.#endings)
        : resolved === path.resolve(one);
      if (isMeant) this.#lookAgainIn(place, place.isFolder ? path.join(one, path.basename(file)) : one);
    }
  }

  #lookAgainIn(place: Place, file: string): void {
    // A folder of that name, or a link, is for those who look at everything.
    if (lstatSync(file, { throwIfNoEntry: false })?.isFile() === false) throw new Error('not a plain file');
    const found = look(file, undefined);
    if (found === undefined && !place.isFolder) throw new Error('a path is gone');
    if (found === undefined) {
      this.#known.delete(file);
      place.files = place.files.filter((other) => other !== file);
    } else {
      if (!this.#known.has(file)) place.files = [...place.files, file].sort();
      this.#known.set(file, found);
    }
  }

  #list(one: string): Place {
    if (!statSync(one).isDirectory()) {
      this.#hasLinks ||= lstatSync(one).isSymbolicLink();
      return { isFolder: false, files: [one] };
    }
    const entries = readdirSync(one, { withFileTypes: true }).filter(
      (entry) => !entry.isDirectory() && isTextFile(entry.name, this.#endings),
    );
    this.#hasLinks ||= entries.some((entry) => entry.isSymbolicLink());
    return { isFolder: true, files: entries.map(({ name }) => path.join(one, name)).sort() };
  }

  #texts(): TextFiles {
    const texts = [...this.#places.values()].flatMap(({ files }) =>
      files.flatMap((file) => this.#known.get(file)?.source ?? []),
    );
    return { texts, problems: this.#problems };
  }
}

/** Undefined for a file that is not there. @param before not read again where it is surely the same */
function look(file: string, before: Known | undefined): Known | undefined {
  const stats = statSync(file, { bigint: true, throwIfNoEntry: false });
  if (stats === undefined) return undefined;
  const stamp = stampOf(stats);
  if (before?.settled === true && before.stamp === stamp) return before;
  try {
    const text = readFileSync(file, 'utf8');
    const source = before?.source.text === text ? before.source : { file, text };
    return { source, stamp, settled: Date.now() - Number(stats.mtimeMs) > COARSE_MS };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}

function stampOf({ dev, ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [dev, ino, size, mtimeNs, ctimeNs].join();
}
