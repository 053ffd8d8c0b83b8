/** Which fields of documents change what proxies get: each is left out in turn of the golden cases that have it. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseYaml } from '#core/yaml.ts';
import { type Schema, schemaOf } from '#model/decode/schema.ts';
import { type Kind, kinds } from '#model/kinds.ts';
import { type GoldenCase, readCase, shown, snapshotOfCase } from './golden-case.ts';

const folder = path.resolve(import.meta.dirname, '../../src/control/translate/testdata');

interface Document {
  readonly kind: Kind;
  readonly spec: unknown;
}

/**
 * Paths of all fields that are taken, such as `spec.http[].match[].uri.prefix`; `*` is any key of a map. What stands in
 * several places is looked into once.
 */
export function takenFields(kind: Kind): readonly string[] {
  const { decode } = kinds[kind].fields.spec ?? {};
  return decode === undefined ? [] : [...fieldsOf(schemaOf(decode), 'spec', new Set())];
}

function* fieldsOf(schema: Schema, at: string, seen: Set<Schema>): Generator<string> {
  if (schema.type === 'list') yield* fieldsOf(schema.items, `${at}[]`, seen);
  if (schema.type === 'map') yield* fieldsOf(schema.values, `${at}.*`, seen);
  if (schema.type !== 'object' || seen.has(schema)) return;
  seen.add(schema);
  for (const [name, field] of Object.entries(schema.fields)) {
    if (field.support !== 'taken') continue;
    yield `${at}.${name}`;
    yield* fieldsOf(field.schema, `${at}.${name}`, seen);
  }
}

/** `KIND PATH` of every field without which some case would give something else, or nothing. */
export function effectiveFields(only: (kind: string) => boolean): ReadonlySet<string> {
  const effective = new Set<string>();
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.yaml'))) {
    const golden = readCase(readFileSync(path.join(folder, file), 'utf8'), file);
    const documents = parseYaml(golden.input, file).documents.map(({ value }) => value as Document);
    const whole = outcome(golden, documents);
    for (const [at, document] of documents.entries()) {
      if (!only(document.kind)) continue;
      const { decode } = kinds[document.kind].fields.spec ?? {};
      if (decode === undefined) continue;
      for (const { field, without } of omissions(document.spec, schemaOf(decode), 'spec')) {
        const name = `${document.kind} ${field}`;
        if (effective.has(name)) continue;
        const changed = documents.with(at, { ...document, spec: without() });
        if (outcome(golden, changed) !== whole) effective.add(name);
      }
    }
  }
  return effective;
}

function outcome(golden: GoldenCase, documents: readonly Document[]): string {
  const input = documents.map((document) => JSON.stringify(document)).join('\n---\n');
  const snapshot = snapshotOfCase({ ...golden, input });
  return JSON.stringify(shown(snapshot, ['*']));
}

interface Omission {
  readonly field: string;
  without(): unknown;
}

/** Each field that is there, and the whole without it. */
function* omissions(value: unknown, schema: Schema, at: string): Generator<Omission> {
  if (Array.isArray(value) && schema.type === 'list') {
    for (const [index, item] of value.entries())
      for (const inner of omissions(item, schema.items, `${at}[]`))
        yield { field: inner.field, without: () => value.with(index, inner.without()) };
    return;
  }
  if (typeof value !== 'object' || value === null) return;
  const fields = value as Readonly<Record<string, unknown>>;
  for (const [key, inner] of Object.entries(fields)) {
    const field = schema.type === 'object' ? schema.fields[key] : undefined;
    const place = schema.type === 'map' ? `${at}.*` : `${at}.${key}`;
    const below = schema.type === 'map' ? schema.values : field?.schema;
    if (below === undefined) continue;
    if (field !== undefined) {
      const { [key]: _, ...rest } = fields;
      yield { field: place, without: () => rest };
    }
    for (const deeper of omissions(inner, below, place))
      yield { field: deeper.field, without: () => ({ ...fields, [key]: deeper.without() }) };
  }
}
