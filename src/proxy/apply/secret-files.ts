/**
 * Files that secrets of a server name: read again when they change. The secret takes effect as a whole,
 * or not at all.
 */
import { type FSWatcher, watch } from 'node:fs';
import { dirname } from 'node:path';
import { formatProblem } from '#core/problem.ts';
import type { Logger } from '#observe/log.ts';
import type { Secret } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { SecretStore } from '../contract.ts';
import { type DataReader, filesOf, secretMaterial } from './secret-material.ts';

export interface SecretFilesDeps {
  readonly secrets: SecretStore;
  readonly reader: DataReader;
  readonly log: Logger;
}

interface Followed {
  readonly secret: Secret;
  readonly key: string;
  readonly watchers: readonly FSWatcher[];
  timer: NodeJS.Timeout | undefined;
}

/** Chain and key are written one after the other: the last one counts. */
const SETTLE_MS = 20;

export class SecretFiles {
  readonly #deps: SecretFilesDeps;
  readonly #followed = new Map<string, Followed>();

  constructor(deps: SecretFilesDeps) {
    this.#deps = deps;
  }

  /** From now on, in place of what was followed under that key. */
  follow(key: string, secret: Secret): void {
    this.#forget(key);
    const folders = new Set(filesOf(secret).map((file) => dirname(file)));
    if (folders.size === 0) return;
    const onChange = (): void => this.#arm(key);
    const watchers = [...folders].flatMap((folder) => {
      try {
        const watcher = watch(folder, onChange).unref();
        watcher.on('error', (error) =>
          this.#deps.log.error('apply.file-not-watched', { path: folder, error }),
        );
        return [watcher];
      } catch (error) {
        this.#deps.log.error('apply.file-not-watched', { path: folder, error });
        return [];
      }
    });
    this.#followed.set(key, { secret, key, watchers, timer: undefined });
  }

  close(): void {
    for (const key of [...this.#followed.keys()]) this.#forget(key);
  }

  #arm(key: string): void {
    const followed = this.#followed.get(key);
    if (followed === undefined) return;
    clearTimeout(followed.timer);
    followed.timer = setTimeout(() => this.#reload(followed), SETTLE_MS);
  }

  #reload({ secret, key }: Followed): void {
    const { secrets, reader, log } = this.#deps;
    const parsed = secretMaterial(secret, reader);
    if (parsed.ok) secrets.set(key, parsed.value);
    else
      log.warn('apply.secret-not-read', { name: secret.name, problems: parsed.problems.map(formatProblem) });
  }

  #forget(key: string): void {
    const followed = this.#followed.get(key);
    if (followed === undefined) return;
    clearTimeout(followed.timer);
    for (const watcher of followed.watchers) watcher.close();
    this.#followed.delete(key);
  }
}
