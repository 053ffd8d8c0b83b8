/** Configurations of HTTP filters that servers have given, judged by each listener that names them (ECDS). */
import type { Any } from '@bufbuild/protobuf/wkt';
import { formatProblem, type Problem } from '#core/problem.ts';
import type { Logger } from '#observe/log.ts';
import type { TypedExtensionConfig } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import type { DataPath, WantedExtension } from '../contract.ts';
import { textOfKey } from '../resource-source.ts';
import type { Versioned } from './configuration.ts';
import type { ResourceTable } from './resource-table.ts';

/** Counts one of Envoy's `extension_config_discovery.http_filter.NAME.*`. */
export type CountExtension = (
  name: string,
  event: 'config_reload' | 'config_fail' | 'config_conflict' | 'init_fetch_timeout',
) => void;

export interface ExtensionsDeps {
  readonly dataPath: DataPath;
  readonly table: ResourceTable;
  readonly log: Logger;
  readonly countExtension?: CountExtension;
}

export class Extensions {
  readonly #deps: ExtensionsDeps;
  readonly #configs = new Map<string, Any>();

  constructor(deps: ExtensionsDeps) {
    this.#deps = deps;
  }

  has(key: string): boolean {
    return this.#configs.has(key);
  }

  /** In force at once where nothing is wrong. @param wanted by those who name it */
  offer(
    { message, version, origin, encoded, key = message.name }: Versioned<TypedExtensionConfig>,
    wanted: readonly WantedExtension[],
  ): readonly Problem[] {
    const { name, typedConfig } = message;
    const problems: readonly Problem[] =
      typedConfig === undefined
        ? [{ level: 'error', path: 'typed_config', message: 'is missing' }]
        : distinct(wanted.flatMap((one) => one.judge(typedConfig)));
    if (typedConfig === undefined || isBad(problems)) {
      this.#count(name, 'config_fail');
      return problems;
    }
    this.#configs.set(key, typedConfig);
    this.#deps.dataPath.setExtension(key, typedConfig);
    const { table } = this.#deps;
    table.warm('extension', key, version, encoded ?? message, origin);
    table.activate('extension', key);
    this.#count(name, 'config_reload');
    return problems;
  }

  /** Its filters have their default configuration from now on, or let no request through. */
  remove(key: string, name: string): void {
    if (this.#configs.delete(key)) this.#count(name, 'config_reload');
    this.#deps.dataPath.setExtension(key, undefined);
    this.#deps.table.remove('extension', key);
  }

  /** Forgets what nobody names any more. */
  keepOnly(keys: ReadonlySet<string>): void {
    const { table, dataPath } = this.#deps;
    for (const { name: key } of table.entries('extension')) {
      if (keys.has(key)) continue;
      this.#configs.delete(key);
      dataPath.forgetExtension(key);
      table.remove('extension', key);
    }
  }

  /** Says so where what is there already is not for a listener that comes to name it: that one does without (Envoy). */
  noteConflict({ key, name, judge }: WantedExtension): void {
    const config = this.#configs.get(key);
    const problems = config === undefined ? [] : judge(config);
    if (!isBad(problems)) return;
    this.#count(name, 'config_conflict');
    this.#deps.log.warn('apply.filter-not-fitting', {
      name: textOfKey(key),
      problems: problems.map(formatProblem),
    });
  }

  /** They did not come in time. */
  noteMissing(wanted: readonly WantedExtension[]): void {
    for (const { key, name, isAwaited } of wanted) {
      if (!isAwaited || this.#configs.has(key)) continue;
      this.#count(name, 'init_fetch_timeout');
      this.#count(name, 'config_fail');
    }
  }

  #count(name: string, event: Parameters<CountExtension>[1]): void {
    this.#deps.countExtension?.(name, event);
  }
}

function isBad(problems: readonly Problem[]): boolean {
  return problems.some(({ level }) => level === 'error');
}

/** Two listeners find the same. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [formatProblem(problem), problem])).values()];
}
