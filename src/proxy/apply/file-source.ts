/**
 * Resources of one kind from a file that holds a DiscoveryResponse (Envoy's `path_config_source`).
 * A new version takes effect when the file is moved into place or written; a broken one is reported
 * and the last good one stays.
 */
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { formatProblem, type Problem } from '#core/problem.ts';
import { atOnce } from '#core/time-slice.ts';
import { parseYaml } from '#core/yaml.ts';
import type { Logger } from '#observe/log.ts';
import type { AnyUpdate, ReceivedResource } from '#xds/client/contract.ts';
import { receivedMessage } from '#xds/client/received-resource.ts';
import { messageFromDocument } from '#xds/document.ts';
import { DiscoveryResponseSchema } from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { decodeResource } from '#xds/resource-type.ts';
import type { ResourceSource } from '../resource-source.ts';
import type { Configuration } from './configuration.ts';
import { isNamed, type NamedKind } from './interest.ts';
import { filesOf } from './secret-material.ts';
import type { Outcome } from './stream.ts';

export type FileKind = 'cluster' | 'listener' | NamedKind;

export interface FileSourceOptions {
  readonly kind: FileKind;
  readonly source: Extract<ResourceSource, { readonly kind: 'file' }>;
  /** What is wanted of it now; undefined: all there is. */
  readonly names?: () => ReadonlySet<string>;
  readonly configuration: Configuration;
  readonly log: Logger;
  apply(update: AnyUpdate): Promise<Outcome>;
  /** What was there is no update. */
  onUnreadable(): void;
}

export interface FileSource {
  /** Gives again what the file holds. */
  reload(): void;
  close(): void;
}

/** Editors write in several steps: the last one counts. */
const SETTLE_MS = 20;

export function watchFileSource(options: FileSourceOptions): FileSource {
  const { kind, log } = options;
  const { path, watchedFolder } = options.source;
  const watchers = new Map<string, FSWatcher>();
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let last: string | undefined;
  let closed = false;

  const load = (): void => {
    running = running.then(async () => {
      const text = readText(path, log);
      // The files a secret names may have changed though it did not.
      if (text === undefined || (text === last && kind !== 'secret') || closed) return;
      last = text;
      for (const file of await take(text, options)) watchFolderOf(file);
    });
  };
  const watchFolderOf = (file: string): void => watchFolder(dirname(file), file);
  const watchFolder = (folder: string, file: string | undefined): void => {
    if (watchers.has(folder) || closed) return;
    const onEvent = (_event: string, entry: string | null): void => {
      // A folder that is swapped as a whole (Kubernetes) names another entry than the file's.
      const isFile = file === undefined || entry === null || entry === basename(file);
      if (kind !== 'secret' && !isFile && !entry.startsWith('..')) return;
      clearTimeout(timer);
      timer = setTimeout(load, SETTLE_MS);
    };
    try {
      const watcher = watch(folder, onEvent).unref();
      watcher.on('error', (error) => log.error('apply.file-not-watched', { path: file ?? folder, error }));
      watchers.set(folder, watcher);
    } catch (error) {
      log.error('apply.file-not-watched', { path: file ?? folder, error });
    }
  };
  if (watchedFolder === undefined) watchFolderOf(path);
  else watchFolder(watchedFolder, undefined);
  load();
  return {
    reload(): void {
      last = undefined;
      load();
    },
    close(): void {
      closed = true;
      clearTimeout(timer);
      for (const watcher of watchers.values()) watcher.close();
    },
  };
}

function readText(path: string, log: Logger): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    log.error('apply.file-not-read', { path, error });
    return undefined;
  }
}

/** Resolves to the files that are named inside. */
async function take(
  text: string,
  { kind, source: { path }, names, configuration, log, apply, onUnreadable }: FileSourceOptions,
): Promise<string[]> {
  const held = kind === 'cluster' || kind === 'listener' ? configuration.dynamicNames(kind) : [];
  const read = readUpdate(text, path, kind, { held, names: names?.() });
  if (!read.ok) onUnreadable();
  const problems = read.ok ? (await apply(read.update)).problems : read.problems;
  if (problems.length > 0) log.warn('apply.file-problems', { path, problems: problems.map(formatProblem) });
  if (!read.ok || read.update.kind !== 'secret') return [];
  return read.update.changed.flatMap((secret) => {
    const decoded = atOnce(secret.decoded());
    return decoded.ok ? filesOf(decoded.message) : [];
  });
}

type Read =
  | { readonly ok: true; readonly update: AnyUpdate }
  | { readonly ok: false; readonly problems: readonly Problem[] };

function readUpdate(
  text: string,
  path: string,
  kind: FileKind,
  { held, names: wanted }: { held: readonly string[]; names: ReadonlySet<string> | undefined },
): Read {
  const { documents, problems } = parseYaml(text, path);
  const [document] = documents;
  if (document === undefined || problems.some(({ level }) => level === 'error'))
    return { ok: false, problems };
  const parsed = messageFromDocument(DiscoveryResponseSchema, document);
  if (!parsed.ok) return parsed;
  const { resources, versionInfo: version } = parsed.value;
  const changed: ReceivedResource[] = [];
  const wrong: Problem[] = [];
  resources.forEach((any, i) => {
    const decoded = decodeResource(kind, any);
    const detail = decoded.ok ? unwanted(kind, decoded.name, wanted) : decoded.detail;
    if (decoded.ok && detail === undefined) changed.push(receivedMessage(decoded, version));
    if (detail === undefined) return;
    const at = document.positionOf(['resources', i]);
    const problem: Problem = { level: 'error', path: `resources[${i}]`, message: detail };
    wrong.push(at === undefined ? problem : { ...problem, at });
  });
  if (isNamed(kind) && kind !== 'secret' && resources.length > 1)
    wrong.push({ level: 'error', path: 'resources', message: 'must be one: it is a file for each of them' });
  if (wrong.length > 0) return { ok: false, problems: wrong };
  const lifetimes = new Map();
  const names = new Set(changed.map(({ name }) => name));
  const removed = held.filter((name) => !names.has(name));
  const update = { kind, nonce: '', version, changed, removed, problems: [], lifetimes, unavailable: [] };
  return { ok: true, update: update as AnyUpdate };
}

/** Why nobody wants it (Envoy: a file of routes or endpoints holds what is asked for, and nothing else). */
function unwanted(kind: FileKind, name: string, wanted: ReadonlySet<string> | undefined): string | undefined {
  if (kind === 'secret' || wanted === undefined || wanted.has(name)) return undefined;
  return `calls itself "${name}", and what is asked for is "${[...wanted].join('" or "')}"`;
}
