/** `mask=`: a `FieldMask` over a message of the dump, and what is left of its JSON. */
import type { DescMessage } from '@bufbuild/protobuf';
import { AnySchema } from '@bufbuild/protobuf/wkt';
import { type JsonPieceField, type LazyJson, LazyObject } from './json-pieces.ts';

/** By field name: all of the field, or a part of it. */
export type FieldMask = ReadonlyMap<string, FieldMask | 'all'>;

/** @param text paths with commas between */
export function parseFieldMask(text: string): FieldMask {
  const mask = new Map<string, FieldMask | 'all'>();
  for (const path of text.split(',')) {
    let level = mask as Map<string, FieldMask | 'all'>;
    const steps = path.split('.');
    for (const [i, step] of steps.entries()) {
      const inner = level.get(step);
      if (inner === 'all') break;
      if (i === steps.length - 1) level.set(step, 'all');
      else {
        const next = inner ?? new Map<string, FieldMask | 'all'>();
        level.set(step, next);
        level = next as Map<string, FieldMask | 'all'>;
      }
    }
  }
  return mask;
}

/**
 * Whether every path leads somewhere. What is repeated has no parts.
 *
 * @param inside of fields of type Any
 */
export function isMaskOf(mask: FieldMask, schema: DescMessage, inside?: DescMessage): boolean {
  for (const [name, inner] of mask) {
    const field = schema.fields.find((candidate) => candidate.name === name);
    if (field === undefined) return false;
    if (inner === 'all') continue;
    if (field.fieldKind !== 'message') return false;
    const of = field.message.typeName === AnySchema.typeName ? inside : field.message;
    if (of === undefined || !isMaskOf(inner, of)) return false;
  }
  return true;
}

/** The fields that a mask names, and the type of what they are of. */
export function* maskedFields(
  fields: Iterable<JsonPieceField | undefined>,
  mask: FieldMask,
): Generator<JsonPieceField | undefined, void, undefined> {
  for (const field of fields) {
    const inner = field && mask.get(field[0]);
    if (field === undefined || field[0] === '@type' || inner === 'all') yield field;
    else if (inner !== undefined) yield [field[0], masked(field[1], inner)];
  }
}

function masked(value: LazyJson, mask: FieldMask): LazyJson {
  if (value instanceof LazyObject) return new LazyObject(() => maskedFields(value.fields(), mask));
  const fields = Object.entries(value as Readonly<Record<string, LazyJson>>);
  return new LazyObject(() => maskedFields(fields, mask));
}
