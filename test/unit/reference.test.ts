/** Pages of the reference are what the decoders take, and tell what each field does. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { objectSchema, type Shape } from '#model/decode/object.ts';
import type { Schema } from '#model/decode/schema.ts';
import { type Kind, kinds } from '#model/kinds.ts';
import { referencePages } from '../../scripts/reference-pages.ts';

const root = resolve(import.meta.dirname, '../..');

for (const { file, text } of referencePages()) {
  test(`${file} is up to date: npm run reference`, () => {
    assert.equal(readFileSync(resolve(root, file), 'utf8'), text);
  });
}

for (const kind of Object.keys(kinds) as Kind[]) {
  const { fields } = kinds[kind];
  test(`every field of ${kind} is told of`, () => {
    const untoldOf = [...untold(objectSchema(fields as Shape), kind)];
    assert.deepEqual(
      untoldOf.filter((path) => path !== `${kind}.spec` && path !== `${kind}.status`),
      [],
    );
  });
}

function* untold(schema: Schema, path: string): Generator<string> {
  if (schema.type === 'list') yield* untold(schema.items, `${path}[]`);
  if (schema.type === 'map') yield* untold(schema.values, `${path}.*`);
  if (schema.type !== 'object') return;
  for (const [name, { about, schema: inner, support }] of Object.entries(schema.fields)) {
    if (about === undefined && (support === 'taken' || support === 'meaningless')) yield `${path}.${name}`;
    yield* untold(inner, `${path}.${name}`);
  }
}
