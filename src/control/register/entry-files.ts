/** Where entries outlive the control plane: one JSON document each, in a folder that only its owner reads. */
import { readdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { formatProblem } from '#core/problem.ts';
import type { Logger } from '#observe/log.ts';
import { makePrivateFolder, PRIVATE_FILE_MODE, replaceFile } from '../ca/private-file.ts';
import { decodeEntry, type EntryDocument } from './entry-document.ts';

const SUFFIX = '.json';

export class EntryFiles {
  readonly #folder: string;
  readonly #log: Logger;
  /** Undefined: to be removed. */
  readonly #pending = new Map<string, EntryDocument | undefined>();
  #writing: Promise<void> | undefined;

  constructor(folder: string, log: Logger) {
    this.#folder = folder;
    this.#log = log;
  }

  /** One that cannot be read is told and left out: its workload registers anew. */
  async load(): Promise<readonly EntryDocument[]> {
    await makePrivateFolder(this.#folder);
    const documents: EntryDocument[] = [];
    for (const name of (await readdir(this.#folder)).filter((one) => one.endsWith(SUFFIX)).sort()) {
      const file = join(this.#folder, name);
      try {
        const document = JSON.parse(await readFile(file, 'utf8')) as EntryDocument;
        const { ok, problems } = decodeEntry(document, file);
        if (ok && this.pathOf(document) === file) documents.push(document);
        else throw new Error(problems.map(formatProblem).join('; ') || 'it is called otherwise');
      } catch (error) {
        this.#log.warn('register.unreadable', { file, error: String(error) });
      }
    }
    return documents;
  }

  pathOf({ metadata }: EntryDocument): string {
    // A namespace has no dots.
    return join(this.#folder, `${metadata.namespace}.${metadata.name}${SUFFIX}`);
  }

  /** Of several changes of one the last is written. */
  keep(document: EntryDocument): void {
    this.#pending.set(this.pathOf(document), document);
    this.#writing ??= this.#write();
  }

  forget(document: EntryDocument): void {
    this.#pending.set(this.pathOf(document), undefined);
    this.#writing ??= this.#write();
  }

  /** Resolves when all that was to be kept is kept. */
  async settled(): Promise<void> {
    await this.#writing;
  }

  async #write(): Promise<void> {
    // What else changes in this turn is written with it.
    await Promise.resolve();
    for (let next = this.#next(); next !== undefined; next = this.#next()) {
      const [path, document] = next;
      try {
        if (document === undefined) await rm(path, { force: true });
        else await replaceFile(path, `${JSON.stringify(document, undefined, 2)}\n`, PRIVATE_FILE_MODE);
      } catch (error) {
        this.#log.error('register.not-kept', { file: path, error: String(error) });
      }
    }
    this.#writing = undefined;
  }

  #next(): [string, EntryDocument | undefined] | undefined {
    const [first] = this.#pending;
    if (first !== undefined) this.#pending.delete(first[0]);
    return first;
  }
}
