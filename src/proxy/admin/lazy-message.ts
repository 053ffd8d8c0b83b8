/** Proto messages as the dump shows them, secrets left out; of large ones a field or an item at a time. */
import {
  create,
  type DescField,
  type DescMessage,
  isFieldSet,
  type JsonObject,
  type Message,
} from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { walkMessage } from '#xds/message-walk.ts';
import { plainFromMessage } from '#xds/plain.ts';
import { forgetUnpacked, unpackSteps } from '#xds/registry.ts';
import { type LazyJson, LazyList, LazyObject } from './json-pieces.ts';
import { isSensitive, redacted } from './redact.ts';

/** As `plainFromMessage` gives it, but for the secrets. */
export function lazyMessage(schema: DescMessage, message: Message): LazyJson {
  if (!isLarge(schema, message)) return redacted(plainFromMessage(schema, message));
  return new LazyObject(() => fieldsOf(schema, message));
}

/** Whether a walk through it takes more than one step. */
function isLarge(schema: DescMessage, message: Message): boolean {
  return walkMessage(schema, message, { visit: () => true }).next().done !== true;
}

type Field = readonly [key: string, value: LazyJson];

function* fieldsOf(schema: DescMessage, message: Message): Generator<Field | undefined, void, undefined> {
  if (schema.typeName === AnySchema.typeName) {
    yield* insideOf(message as Any);
    return;
  }
  for (const field of schema.fields.toSorted((a, b) => a.number - b.number)) {
    if (isFieldSet(message, field)) yield fieldOf(schema, message, field);
  }
}

function* insideOf(any: Any): Generator<Field | undefined, void, undefined> {
  const unpacking = unpackSteps(any);
  let next = unpacking.next();
  for (; next.done !== true; next = unpacking.next()) yield undefined;
  const unpacked = next.value;
  if (unpacked.ok && isPlain(unpacked.schema)) {
    yield ['@type', any.typeUrl];
    yield* fieldsOf(unpacked.schema, unpacked.message);
  } else {
    yield* Object.entries(redacted(plainFromMessage(AnySchema, any)) as JsonObject);
  }
  forgetUnpacked(any);
}

function fieldOf(schema: DescMessage, message: Message, field: DescField): Field {
  const { name } = field;
  const value = reflect(schema, message).get(field) as unknown;
  if (isSplit(field)) {
    if (field.fieldKind === 'list')
      return [name, new LazyList(() => itemsOf(field.message!, message, field))];
    if (field.fieldKind === 'message')
      return [name, lazyMessage(field.message!, (value as { readonly message: Message }).message)];
  }
  const alone = create(schema);
  reflect(schema, alone).set(field, value as never);
  const json = redacted(plainFromMessage(schema, alone)) as Readonly<Record<string, LazyJson>>;
  return [name, json[name]!];
}

/** An object of its fields, which well-known types are not. */
function isPlain(schema: DescMessage): boolean {
  return !schema.typeName.startsWith('google.protobuf.');
}

function isSplit({ name, message: schema }: DescField): boolean {
  if (schema === undefined || isSensitive(name)) return false;
  return isPlain(schema) || schema.typeName === AnySchema.typeName;
}

function* itemsOf(
  schema: DescMessage,
  message: Message,
  field: DescField,
): Generator<LazyJson, void, undefined> {
  const items = (message as unknown as Readonly<Record<string, readonly Message[]>>)[field.localName]!;
  for (const item of items) yield lazyMessage(schema, item);
}
