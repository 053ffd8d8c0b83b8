/** A proto message -> the plain value people read: ProtoJSON with field names in snake_case, as in Envoy's documents. */
import {
  type DescMessage,
  type JsonValue,
  type MessageShape,
  type Registry,
  toJson,
} from '@bufbuild/protobuf';
import { EmptySchema } from '@bufbuild/protobuf/wkt';
import { registry } from './registry.ts';

/**
 * For printing as JSON or YAML; `messageFromDocument` reads it back. Of an Any whose type Heddle does not know
 * only the `@type` is left.
 */
export function plainFromMessage<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): JsonValue {
  return typeFirst(toJson(schema, message, { registry: tolerant, useProtoFieldName: true }));
}

/** The same, with the fields that are at their default; those of messages alone are left out. */
export function wholeFromMessage<Desc extends DescMessage>(
  schema: Desc,
  message: MessageShape<Desc>,
): JsonValue {
  const options = { registry: tolerant, useProtoFieldName: true, alwaysEmitImplicit: true };
  return typeFirst(toJson(schema, message, options));
}

/** Puts `@type` before the fields it explains, as people write it. */
function typeFirst(value: JsonValue): JsonValue {
  if (Array.isArray(value)) return value.map(typeFirst);
  if (typeof value !== 'object' || value === null) return value;
  const { '@type': type, ...rest } = value;
  const fields = Object.entries(rest).map(([key, inner]) => [key, typeFirst(inner)] as const);
  return Object.fromEntries(type === undefined ? fields : [['@type', type] as const, ...fields]);
}

/** The registry, with a message without fields for every name it lacks. */
const tolerant: Registry = {
  kind: 'registry',
  [Symbol.iterator]: () => registry[Symbol.iterator](),
  get: (name) => registry.get(name),
  getMessage: (name) =>
    registry.getMessage(name) ?? Object.create(EmptySchema, { typeName: { value: name } }),
  getEnum: (name) => registry.getEnum(name),
  getExtension: (name) => registry.getExtension(name),
  getExtensionFor: (extendee, no) => registry.getExtensionFor(extendee, no),
  getService: (name) => registry.getService(name),
};
