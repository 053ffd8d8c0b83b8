/**
 * Listeners or clusters from a file that holds a DiscoveryResponse (Envoy's `path_config_source`).
 * A new version takes effect when the file is moved into place or written; a broken one is reported
 * and the last good one stays.
 */
import { type FSWatcher, readFileSync, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import { formatProblem, type Problem } from '#core/problem.ts';
import { parseYaml } from '#core/yaml.ts';
import type { Logger } from '#observe/log.ts';
import type { AnyUpdate, ReceivedResource } from '#xds/client/contract.ts';
import { messageFromDocument } from '#xds/document.ts';
import { DiscoveryResponseSchema } from '#xds/gen/envoy/service/discovery/v3/discovery_pb.js';
import { decodeResource } from '#xds/resource-type.ts';
import type { Configuration } from './configuration.ts';
import type { Receive } from './receive.ts';

export interface FileSourceOptions {
  readonly kind: 'cluster' | 'listener';
  readonly path: string;
  readonly configuration: Configuration;
  readonly log: Logger;
  readonly apply: Receive;
}

export interface FileSource {
  close(): void;
}

/** Editors write in several steps: the last one counts. */
const SETTLE_MS = 20;

export function watchFileSource(options: FileSourceOptions): FileSource {
  const { path, log } = options;
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<unknown> = Promise.resolve();
  let last: string | undefined;

  const load = (): void => {
    running = running.then(async () => {
      const text = readText(path, log);
      if (text === undefined || text === last) return;
      last = text;
      await take(text, options);
    });
  };
  const watcher: FSWatcher = watch(dirname(path), (_event, file) => {
    // A folder that is swapped as a whole (Kubernetes) names another entry than the file's.
    if (file !== null && file !== basename(path) && !file.startsWith('..')) return;
    clearTimeout(timer);
    timer = setTimeout(load, SETTLE_MS);
  });
  watcher.unref();
  load();
  return {
    close(): void {
      clearTimeout(timer);
      watcher.close();
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

async function take(
  text: string,
  { kind, path, configuration, log, apply }: FileSourceOptions,
): Promise<void> {
  const read = readUpdate(text, path, kind, configuration.dynamicNames(kind));
  const problems = read.ok ? (await apply(read.update)).problems : read.problems;
  if (problems.length > 0) log.warn('apply.file-problems', { path, problems: problems.map(formatProblem) });
}

type Read =
  | { readonly ok: true; readonly update: AnyUpdate }
  | { readonly ok: false; readonly problems: readonly Problem[] };

function readUpdate(text: string, path: string, kind: 'cluster' | 'listener', held: readonly string[]): Read {
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
    if (decoded.ok) changed.push({ name: decoded.name, version, message: decoded.message });
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
