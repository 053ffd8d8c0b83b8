/**
 * The last good configuration of a proxy, on disk: what servers have said and it has accepted. A proxy whose
 * servers are away when it starts begins with it, and goes on with what they say once they are back.
 */
import { inSlices } from '#core/time-slice.ts';
import type { Logger } from '#observe/log.ts';
import type { AnyUpdate } from '#xds/client/contract.ts';
import { encodedReceived } from '#xds/client/received-resource.ts';
import { type ResourceKind, resourceKinds } from '#xds/resource-type.ts';
import { bytesOfText, type HeldText, heldText } from '../held-text.ts';
import type { ResourceSource } from '../resource-source.ts';
import { type Interest, isNamed } from './interest.ts';
import { type KeptResource, readKeptFile, writeKeptFile } from './kept-file.ts';

export interface KeptConfigurationDeps {
  readonly path: string;
  /** Id of the own node: what another one was told is not for this one. */
  readonly node: string;
  readonly log: Logger;
}

/** The text is that of the table of resources, which takes no memory of its own. */
type HeldInMemory = Omit<KeptResource, 'encoded'> & { readonly text: HeldText };

/** Changes come in bursts; a proxy that ends within this time has the version before. */
const QUIET_MS = 500;

export class KeptConfiguration {
  readonly #deps: KeptConfigurationDeps;
  readonly #resources = new Map<string, HeldInMemory>();
  /** Read when it is first needed. */
  #kept: readonly KeptResource[] | undefined;
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(deps: KeptConfigurationDeps) {
    this.#deps = deps;
  }

  /** What that source said last, kind after kind in the order to be applied; none where there is no such file. */
  load({ id }: ResourceSource): AnyUpdate[] {
    this.#kept ??= this.#read();
    const ofSource = this.#kept.filter(({ sourceId }) => sourceId === id);
    return resourceKinds.flatMap((kind) => {
      const changed = ofSource
        .filter((one) => one.kind === kind)
        .map(({ name, version, encoded }) => encodedReceived(kind, { name, version, encoded }));
      if (changed.length === 0) return [];
      const nothing = { removed: [], problems: [], lifetimes: new Map(), unavailable: [] };
      return [{ kind, nonce: '', version: '', changed, ...nothing } as AnyUpdate];
    });
  }

  /** @param applied names of what was accepted of the update */
  note({ kind, changed, removed }: AnyUpdate, source: ResourceSource, applied: readonly string[]): void {
    if (source.kind === 'file') return;
    const accepted = new Set(applied);
    for (const { name, version, encoded } of changed) {
      if (encoded === undefined || !accepted.has(name)) continue;
      this.#resources.set(idOf(kind, name, source.id), {
        ...{ kind, name, version, sourceId: source.id },
        text: heldText(encoded),
      });
    }
    for (const name of removed) this.#resources.delete(idOf(kind, name, source.id));
    this.#soon();
  }

  /** Routes, endpoints, configurations of filters and secrets that nobody names any more are not kept. */
  keepOnly(interest: Interest): void {
    for (const [id, { kind, name, sourceId }] of this.#resources) {
      if (!isNamed(kind)) continue;
      const names = interest[kind].of(sourceId);
      // Virtual hosts come without being named.
      if (kind === 'virtualHost' ? names.size === 0 : !names.has(name)) this.#resources.delete(id);
    }
  }

  /** Resolves when what is on the way is written. */
  close(): Promise<void> {
    if (this.#timer !== undefined) this.#write();
    return this.#writing;
  }

  #soon(): void {
    this.#timer ??= setTimeout(() => this.#write(), QUIET_MS).unref();
  }

  #write(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { path, node, log } = this.#deps;
    this.#writing = this.#writing.then(async () => {
      try {
        await inSlices(writeKeptFile(path, node, asKept([...this.#resources.values()])));
      } catch (error) {
        log.error('apply.configuration-not-kept', { path, error: (error as Error).message });
      }
    });
  }

  #read(): readonly KeptResource[] {
    const { path, node, log } = this.#deps;
    const kept = readKeptFile(path, node);
    if (kept === undefined) return [];
    if (!kept.ok) {
      log.warn('apply.kept-configuration-ignored', { path, reason: kept.reason });
      return [];
    }
    log.warn('apply.kept-configuration', { path, savedAt: kept.savedAt, resources: kept.resources.length });
    return kept.resources;
  }
}

function* asKept(resources: readonly HeldInMemory[]): Generator<KeptResource, void, undefined> {
  for (const { text, ...rest } of resources) yield { ...rest, encoded: bytesOfText(text) };
}

function idOf(kind: ResourceKind, name: string, sourceId: string): string {
  return `${kind}\n${name}\n${sourceId}`;
}
