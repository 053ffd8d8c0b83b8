/** The sections of `/config_dump`, as text is made of them: their entries one after the other. */
import type { DescMessage } from '@bufbuild/protobuf';
import { registry } from '#xds/registry.ts';
import { type FieldMask, isMaskOf, maskedFields } from './field-mask.ts';
import { type JsonPieceField, type LazyJson, LazyList, LazyObject } from './json-pieces.ts';
import type { NameFilter } from './name-filter.ts';

/** One message of the dump: plain fields, and lists of entries by field name. */
export interface Section {
  /** Without its package. */
  readonly type: string;
  /** Of what entries hold as Any. */
  readonly inside?: DescMessage;
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

const PACKAGE = 'envoy.admin.v3.';
const typePrefix = `type.googleapis.com/${PACKAGE}`;

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

/** What `mask` leaves of it; undefined where it is a mask of something else. */
export function maskedSection(section: Section, mask: FieldMask): Section | undefined {
  const { type, fields, lists } = section;
  const schema = registry.getMessage(PACKAGE + type);
  if (schema === undefined || !isMaskOf(mask, schema)) return undefined;
  return {
    ...section,
    fields: [...maskedFields(fields, mask)] as JsonPieceField[],
    lists: Object.fromEntries(Object.entries(lists).filter(([list]) => mask.has(list))),
  };
}

/**
 * `?resource=dynamic_active_clusters`: the entries of that list alone, each with its type.
 *
 * @param mask of each of them
 */
export function resourceOnly(
  sections: readonly Section[],
  wanted: string,
  names: NameFilter,
  mask?: FieldMask,
): LazyList | 'unknown' | 'not masked' {
  for (const { type, lists, fields, inside } of sections) {
    const entries = lists[wanted];
    if (entries !== undefined) {
      const isMask = (entry: DumpEntry): boolean => {
        const schema = registry.getMessage(`${PACKAGE}${type}.${entry.type}`);
        return mask === undefined || (schema !== undefined && isMaskOf(mask, schema, inside));
      };
      for (const entry of chosen(entries, names)) {
        if (entry === undefined) continue;
        if (!isMask(entry)) return 'not masked';
        break;
      }
      return new LazyList(() => typedEntries(type, chosen(entries, names), mask));
    }
    if (wanted === 'bootstrap' && type === 'BootstrapConfigDump') {
      const schema = registry.getMessage(PACKAGE + type)!;
      if (mask !== undefined && !isMaskOf(mask, schema)) return 'not masked';
      const left = mask === undefined ? fields : [...maskedFields(fields, mask)];
      return new LazyList(() => [new LazyObject(() => [['@type', typePrefix + type], ...left])]);
    }
  }
  return 'unknown';
}

function* typedEntries(
  type: string,
  entries: Iterable<DumpEntry | undefined>,
  mask: FieldMask | undefined,
): Generator<LazyJson | undefined, void, undefined> {
  for (const entry of entries) {
    if (entry === undefined) {
      yield undefined;
      continue;
    }
    yield new LazyObject(function* fields(): Generator<JsonPieceField | undefined, void, undefined> {
      yield ['@type', `${typePrefix}${type}.${entry.type}`];
      yield* mask === undefined ? entry.fields() : maskedFields(entry.fields(), mask);
    });
  }
}

function* chosen(entries: Entries, names: NameFilter): Generator<DumpEntry | undefined, void, undefined> {
  for (const entry of entries()) yield entry === undefined || names(entry.name) ? entry : undefined;
}
