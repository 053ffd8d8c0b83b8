/**
 * Listeners, clusters or secrets from a file that holds a DiscoveryResponse (Envoy's `path_config_source`).
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
import type { Configuration } from './configuration.ts';
import type { Receive } from './receive.ts';
import { filesOf } from './secret-material.ts';

export type FileKind = 'cluster' | 'listener' | 'secret';

export interface FileSourceOptions {
  readonly kind: FileKind;
  readonly path: string;
  readonly configuration: Configuration;
  readonly log: Logger;
  readonly apply: Receive;
  /** What was there is no update. */
  onUnreadable(): void;
}

export interface FileSource {
  close(): void;
}

/** Editors write in several steps: the last one counts. */
const SETTLE_MS = 20;

export function watchFileSource(options: FileSourceOptions): FileSource {
  const { path, kind, log } = options;
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
  const watchFolderOf = (file: string): void => {
    const folder = dirname(file);
    if (watchers.has(folder) || closed) return;
    const watcher = watch(folder, (_event, entry) => {
      // A folder that is swapped as a whole (Kubernetes) names another entry than the file's.
      if (kind !== 'secret' && entry !== null && entry !== basename(file) && !entry.startsWith('..')) return;
      clearTimeout(timer);
      timer = setTimeout(load, SETTLE_MS);
    });
    watchers.set(folder, watcher.unref());
  };
  try {
    watchFolderOf(path);
  } catch (error) {
    log.error('apply.file-not-watched', { path, error });
  }
  load();
  return {
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
  { kind, path, configuration, log, apply, onUnreadable }: FileSourceOptions,
): Promise<string[]> {
  const read = readUpdate(text, path, kind, kind === 'secret' ? [] : configuration.dynamicNames(kind));
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

function readUpdate(text: string, path: string, kind: FileKind, held: readonly string[]): Read {
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
    if (decoded.ok) changed.push(receivedMessage(decoded, version));
    else {
      const at = document.positionOf(['resources', i]);
      wrong.push({
        level: 'error',
        path: `resources[${i}]`,
        message: decoded.detail,
        ...(at === undefined ? {} : { at }),
      });
    }
  });
  if (wrong.length > 0) return { ok: false, problems: wrong };
  const names = new Set(changed.map(({ name }) => name));
  const removed = held.filter((name) => !names.has(name));
  const update = { kind, nonce: '', version, changed, removed, problems: [], unavailable: [] };
  return { ok: true, update: update as AnyUpdate };
}
