/** The sections of `/config_dump`, as text is made of them: their entries one after the other. */
import { type JsonPieceField, type LazyJson, LazyList, LazyObject } from './json-pieces.ts';
import type { NameFilter } from './name-filter.ts';

/** One message of the dump: plain fields, and lists of entries by field name. */
export interface Section {
  /** Without its package. */
  readonly type: string;
  readonly fields: readonly JsonPieceField[];
  readonly lists: Readonly<Record<string, Entries>>;
}

/** Made when the text comes to them; undefined is a pause. */
export type Entries = () => Iterable<DumpEntry | undefined>;

export interface DumpEntry {
  readonly name: string;
  /** Type of the entry, under that of the section. */
  readonly type: string;
  /** Undefined is a pause. */
  fields(): Iterable<JsonPieceField | undefined>;
}

const typePrefix = 'type.googleapis.com/envoy.admin.v3.';

/** Lists in which nothing is chosen are left out. */
export function sectionJson({ type, fields, lists }: Section, names: NameFilter): LazyJson {
  return new LazyObject(function* all(): Generator<readonly [string, LazyJson] | undefined, void, undefined> {
    yield ['@type', typePrefix + type];
    yield* fields;
    for (const [list, entries] of Object.entries(lists)) {
      const items = chosen(entries, names)[Symbol.iterator]();
      for (let next = items.next(); next.done !== true; next = items.next()) {
        if (next.value === undefined) {
          yield undefined;
          continue;
        }
        const first = next.value;
        yield [list, new LazyList(() => entriesJson(first, items))];
        break;
      }
    }
  });
}

function* entriesJson(
  first: DumpEntry,
  more: Iterator<DumpEntry | undefined>,
): Generator<LazyJson | undefined, void, undefined> {
  yield new LazyObject(() => first.fields());
  for (let next = more.next(); next.done !== true; next = more.next()) {
    const entry = next.value;
    yield entry && new LazyObject(() => entry.fields());
  }
}

/** `?resource=dynamic_active_clusters`: the entries of that list alone, each with its type. */
export function resourceOnly(
  sections: readonly Section[],
  wanted: string,
  names: NameFilter,
): LazyList | undefined {
  for (const { type, lists, fields } of sections) {
    const entries = lists[wanted];
    if (entries !== undefined) return new LazyList(() => typedEntries(type, chosen(entries, names)));
    if (wanted === 'bootstrap' && type === 'BootstrapConfigDump') {
      return new LazyList(() => [new LazyObject(() => [['@type', typePrefix + type], ...fields])]);
    }
  }
  return undefined;
}

function* typedEntries(
  type: string,
  entries: Iterable<DumpEntry | undefined>,
): Generator<LazyJson | undefined, void, undefined> {
  for (const entry of entries) {
    yield entry && new LazyObject(() => [['@type', `${typePrefix}${type}.${entry.type}`], ...entry.fields()]);
  }
}

function* chosen(entries: Entries, names: NameFilter): Generator<DumpEntry | undefined, void, undefined> {
  for (const entry of entries()) yield entry === undefined || names(entry.name) ? entry : undefined;
}
