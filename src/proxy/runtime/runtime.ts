/**
 * The runtime of a process: its layers, what is in force of them, and changes by files and by the admin interface
 * (Envoy, "Runtime").
 */
import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { JsonObject } from '@bufbuild/protobuf';
import type { Problem } from '#core/problem.ts';
import type { Logger } from '#observe/log.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import type { Runtime } from '#xds/gen/envoy/service/runtime/v3/rtds_pb.js';
import { readDiskLayer } from './disk-layer.ts';
import { entryOfYaml, type RuntimeEntries, type RuntimeEntry } from './entry.ts';
import { type RuntimeLayerSettings, readStatic } from './settings.ts';
import { RuntimeSnapshot } from './snapshot.ts';
import { createRuntimeStats, type RuntimeStats } from './stats.ts';

export interface RuntimeDeps {
  readonly metrics: MetricRegistry;
  readonly log: Logger;
}

interface Layer {
  readonly name: string;
  readonly entries: RuntimeEntries;
}

/** A link that is swapped is read once what swaps it is through. */
const SETTLE_MS = 20;

export class ProcessRuntime {
  /** Of this thread. */
  readonly values: RuntimeSnapshot = new RuntimeSnapshot();
  readonly #settings: readonly RuntimeLayerSettings[];
  readonly #deps: RuntimeDeps;
  readonly #stats: RuntimeStats;
  readonly #overrides = new Map<string, RuntimeEntry>();
  /** What servers gave, by the keys of their resources. */
  readonly #given = new Map<string, RuntimeEntries>();
  readonly #watchers: FSWatcher[] = [];
  #layers: readonly Layer[] = [];
  #settling: NodeJS.Timeout | undefined;

  constructor(settings: readonly RuntimeLayerSettings[], deps: RuntimeDeps) {
    this.#settings = settings;
    this.#deps = deps;
    this.#stats = createRuntimeStats(deps.metrics);
    this.#load();
  }

  /** Follows the links of layers on disk. */
  watch(): void {
    const links = this.#settings.flatMap((layer) => (layer.kind === 'disk' ? [layer.watched] : []));
    for (const link of new Set(links)) {
      try {
        const watcher = watch(dirname(link), (_event, entry) => {
          if (entry !== null && entry !== basename(link)) return;
          clearTimeout(this.#settling);
          this.#settling = setTimeout(() => this.#load(), SETTLE_MS);
        });
        watcher.on('error', (error) => this.#deps.log.error('runtime.not-watched', { path: link, error }));
        this.#watchers.push(watcher.unref());
      } catch (error) {
        this.#deps.log.error('runtime.not-watched', { path: link, error });
      }
    }
    // What changed before it was watched.
    this.#load();
  }

  close(): void {
    clearTimeout(this.#settling);
    for (const watcher of this.#watchers) watcher.close();
  }

  /** What is wrong with it; undefined where it is in force. @param values '' takes an override back */
  modify(values: readonly (readonly [key: string, value: string])[]): string | undefined {
    if (!this.#settings.some(({ kind }) => kind === 'admin')) return 'No admin layer specified';
    const read: [string, RuntimeEntry | undefined][] = [];
    for (const [key, value] of values) {
      const entry = value === '' ? undefined : entryOfYaml(value);
      if (entry === undefined && value !== '') return `${key}: the value is not valid YAML`;
      read.push([key, entry]);
    }
    for (const [key, entry] of read) {
      if (entry === undefined) this.#overrides.delete(key);
      else this.#overrides.set(key, entry);
    }
    this.#stats.admin_overrides_active.set(this.#overrides.size === 0 ? 0 : 1);
    this.#load();
    return undefined;
  }

  /** A layer that a server gives; undefined: it does no more. @returns what is wrong with it: nothing of it is in force then */
  adopt(key: string, layer: Runtime | undefined): readonly Problem[] {
    const problems: Problem[] = [];
    const entries = readStatic(layer?.layer ?? {}, 'layer', (path, message, level = 'error') => {
      problems.push({ level, path, message });
    });
    if (problems.some(({ level }) => level === 'error')) return problems;
    this.#given.set(key, entries);
    this.#load();
    return problems;
  }

  /** As `/runtime` has it. */
  dump(): JsonObject {
    const names = this.#layers.map(({ name }) => name);
    const entries = [...this.values.entries]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, { text }]) => {
        const layerValues = this.#layers.map((layer) => layer.entries.get(key)?.text ?? '');
        return [key, { layer_values: layerValues, final_value: text }] as const;
      });
    return { layers: names, entries: Object.fromEntries(entries) };
  }

  #load(): void {
    const { log } = this.#deps;
    let disks = 0;
    let failed = false;
    const layers = this.#settings.flatMap((layer): Layer[] => {
      const { name, kind } = layer;
      if (kind === 'static') return [{ name, entries: layer.entries }];
      if (kind === 'rtds') return [{ name, entries: this.#given.get(layer.wanted.key) ?? new Map() }];
      if (kind === 'admin') return [{ name, entries: new Map(this.#overrides) }];
      try {
        const entries = readDiskLayer(layer.folder);
        if (entries === undefined) return [];
        disks++;
        return [{ name, entries }];
      } catch (error) {
        failed = true;
        log.error('runtime.not-read', { layer: name, path: layer.folder, error });
        return [];
      }
    });
    const stats = this.#stats;
    if (failed) stats.load_error.inc();
    else stats.load_success.inc();
    if (disks > 1) stats.override_dir_exists.inc();
    else stats.override_dir_not_exists.inc();
    this.#layers = layers;
    const entries = new Map(layers.flatMap((layer) => [...layer.entries]));
    stats.num_keys.set(entries.size);
    stats.num_layers.set(layers.length);
    if (entries.size > 0 || this.values.entries.size > 0) this.values.replace(entries);
  }
}
