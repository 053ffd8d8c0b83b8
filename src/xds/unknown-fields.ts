/**
 * What a decoded message holds that Heddle does not know: fields without a name in `proto/`, and Any types
 * outside the registry. A newer control plane may send them; they are accepted, warned of and counted.
 */
import type { DescField, DescMessage, Message } from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { type Any, AnySchema } from '@bufbuild/protobuf/wkt';
import { type DocumentPath, formatPath } from './document-path.ts';
import { unpackAny } from './registry.ts';

export interface UnknownField {
  /** Path of the field, its last step the number: `filter_chains[0].filters[1].typed_config.#27`. */
  readonly path: string;
  /** The type whose field it is; for an Any of an unknown type, that type's URL. */
  readonly type: string;
}

/** In order of the message; inside every Any too. Costs a decode of each Any. */
export function unknownFields(schema: DescMessage, message: Message): readonly UnknownField[] {
  const found: UnknownField[] = [];
  walk(reflect(schema, message), [], found);
  return found;
}

function walk(message: ReflectMessage, path: DocumentPath, found: UnknownField[]): void {
  const { typeName } = message.desc;
  if (typeName === AnySchema.typeName) {
    walkAny(message.message as Any, path, found);
    return;
  }
  if (typeName.startsWith('google.protobuf.')) return;
  for (const { no } of message.getUnknown() ?? []) {
    found.push({ path: formatPath([...path, `#${no}`]), type: typeName });
  }
  for (const field of message.fields) {
    if (field.message !== undefined && message.isSet(field)) walkField(message, field, path, found);
  }
}

function walkField(
  message: ReflectMessage,
  field: DescField,
  path: DocumentPath,
  found: UnknownField[],
): void {
  const at = [...path, field.name];
  if (field.fieldKind === 'list') {
    for (const [i, item] of [...message.get(field)].entries()) {
      walk(item as ReflectMessage, [...at, i], found);
    }
  } else if (field.fieldKind === 'map') {
    for (const [key, item] of message.get(field)) walk(item as ReflectMessage, [...at, String(key)], found);
  } else if (field.fieldKind === 'message') {
    walk(message.get(field), at, found);
  }
}

function walkAny(any: Any, path: DocumentPath, found: UnknownField[]): void {
  if (any.typeUrl === '' && any.value.length === 0) return;
  const unpacked = unpackAny(any);
  if (unpacked.ok) walk(reflect(unpacked.schema, unpacked.message), path, found);
  else found.push({ path: formatPath([...path, '@type']), type: any.typeUrl });
}
