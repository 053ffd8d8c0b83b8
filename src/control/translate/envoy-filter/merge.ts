/**
 * Merges messages as Istio does for EnvoyFilters: what is set in the patch holds, messages within are merged, lists are
 * appended, durations replaced whole, and an `Any` of the same type is merged inside.
 */
import { clone, type DescField, type DescMessage, isFieldSet, type Message } from '@bufbuild/protobuf';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { packAny, unpackAny } from '#xds/registry.ts';

export interface MergeOptions {
  /** `MERGE_AND_REPLACE_LIST`: lists of the patch take the place of those that are there. */
  readonly replaceLists: boolean;
}

/** A message by the names of its properties. */
type Fields = Record<string, unknown>;
interface Chosen {
  readonly case?: string;
  readonly value?: unknown;
}

/** @param into changed in place. @param from left as it is */
export function mergeMessage(schema: DescMessage, into: Message, from: Message, options: MergeOptions): void {
  mergeOwned(schema, into, clone(schema, from), options);
}

/** @param from of which parts become parts of `into` */
function mergeOwned(schema: DescMessage, into: Message, from: Message, options: MergeOptions): void {
  const target = into as unknown as Fields;
  const source = from as unknown as Fields;
  for (const field of schema.fields) {
    if (!isFieldSet(from, field)) continue;
    if (field.oneof === undefined) {
      target[field.localName] = merged(field, target[field.localName], source[field.localName], options);
      continue;
    }
    const { localName } = field.oneof;
    const before = target[localName] as Chosen;
    const value = (source[localName] as Chosen).value;
    const same = before.case === field.localName ? before.value : undefined;
    target[localName] = { case: field.localName, value: merged(field, same, value, options) };
  }
}

function merged(field: DescField, before: unknown, patch: unknown, options: MergeOptions): unknown {
  if (field.fieldKind === 'list')
    return options.replaceLists ? patch : [...((before ?? []) as unknown[]), ...(patch as unknown[])];
  if (field.fieldKind === 'map') return mergedMap(field.message, before as Fields, patch as Fields, options);
  if (field.fieldKind !== 'message' || before === undefined) return patch;
  return mergedMessage(field.message, before, patch, options);
}

function mergedMap(
  schema: DescMessage | undefined,
  before: Fields,
  patch: Fields,
  options: MergeOptions,
): Fields {
  const isAny = schema?.typeName === AnySchema.typeName;
  const both = { ...before };
  for (const [key, value] of Object.entries(patch)) {
    const old = before[key];
    both[key] = isAny && old !== undefined ? mergedAny(old as Any, value as Any, options) : value;
  }
  return both;
}

function mergedMessage(schema: DescMessage, before: unknown, patch: unknown, options: MergeOptions): unknown {
  if (schema.typeName === AnySchema.typeName) return mergedAny(before as Any, patch as Any, options);
  if (schema.typeName === 'google.protobuf.Struct') return { ...(before as Fields), ...(patch as Fields) };
  // Wrappers are kept as their bare value.
  if (schema.typeName.startsWith('google.protobuf.')) return patch;
  mergeOwned(schema, before as Message, patch as Message, options);
  return before;
}

function mergedAny(before: Any, patch: Any, options: MergeOptions): Any {
  const old = unpackAny(before);
  const fresh = unpackAny(patch);
  if (!old.ok || !fresh.ok || old.schema.typeName !== fresh.schema.typeName) return patch;
  const message = clone(old.schema, old.message);
  mergeMessage(old.schema, message, fresh.message, options);
  return packAny(old.schema, message);
}
