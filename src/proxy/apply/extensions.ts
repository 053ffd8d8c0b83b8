/** Configurations of filters that servers have given, judged by each listener that names them (ECDS). */
import type { Any } from '@bufbuild/protobuf/wkt';
import { formatProblem, type Problem } from '#core/problem.ts';
import type { Logger } from '#observe/log.ts';
import type { TypedExtensionConfig } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import type { DataPath, FilterKind, WantedExtension } from '../contract.ts';
import { textOfKey } from '../resource-source.ts';
import type { Versioned } from './configuration.ts';
import { heldOf, type ResourceTable } from './resource-table.ts';

/** Counts one of Envoy's `extension_config_discovery.KIND_filter.NAME.*`. */
export type CountExtension = (
  kind: FilterKind,
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
  offer(offer: Versioned<TypedExtensionConfig>, wanted: readonly WantedExtension[]): readonly Problem[] {
    const { message, version, origin, key = message.name } = offer;
    const { typedConfig } = message;
    const problems: readonly Problem[] =
      typedConfig === undefined
        ? [{ level: 'error', path: 'typed_config', message: 'is missing' }]
        : distinct(wanted.flatMap((one) => one.judge(typedConfig)));
    if (typedConfig === undefined || isBad(problems)) {
      this.#count(wanted, 'config_fail');
      return problems;
    }
    this.#configs.set(key, typedConfig);
    this.#deps.dataPath.setExtension(key, typedConfig);
    const { table } = this.#deps;
    table.warm('extension', key, version, heldOf(offer), origin);
    table.activate('extension', key);
    this.#count(wanted, 'config_reload');
    return problems;
  }

  /** Its filters have their default configuration from now on, or let no request through. */
  remove(key: string, wanted: readonly WantedExtension[]): void {
    if (this.#configs.delete(key)) this.#count(wanted, 'config_reload');
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
  noteConflict(wanted: WantedExtension): void {
    const { key, judge } = wanted;
    const config = this.#configs.get(key);
    const problems = config === undefined ? [] : judge(config);
    if (!isBad(problems)) return;
    this.#count([wanted], 'config_conflict');
    this.#deps.log.warn('apply.filter-not-fitting', {
      name: textOfKey(key),
      problems: problems.map(formatProblem),
    });
  }

  /** They did not come in time. */
  noteMissing(wanted: readonly WantedExtension[]): void {
    for (const one of wanted) {
      if (!one.isAwaited || this.#configs.has(one.key)) continue;
      this.#count([one], 'init_fetch_timeout');
      this.#count([one], 'config_fail');
    }
  }

  /** Once for all filters of one kind and name. */
  #count(wanted: readonly WantedExtension[], event: Parameters<CountExtension>[2]): void {
    const { countExtension: count } = this.#deps;
    if (count === undefined) return;
    for (const kind of kindsOf(wanted)) count(kind, wanted[0]!.name, event);
  }
}

/** @param wanted of one name */
export function kindsOf(wanted: readonly WantedExtension[]): ReadonlySet<FilterKind> {
  return new Set(wanted.map(({ kind }) => kind));
}

function isBad(problems: readonly Problem[]): boolean {
  return problems.some(({ level }) => level === 'error');
}

/** Two listeners find the same. */
function distinct(problems: readonly Problem[]): Problem[] {
  return [...new Map(problems.map((problem) => [formatProblem(problem), problem])).values()];
}
