/**
 * A YAML or JSON value -> a proto message, by the rules of ProtoJSON.
 * Everything that is wrong is told at once, each with its path and its place in the text.
 */
import {
  create,
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonValue,
  type Message,
  type MessageShape,
  ScalarType,
} from '@bufbuild/protobuf';
import { type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { AnySchema, isWrapperDesc } from '@bufbuild/protobuf/wkt';
import { closest, didYouMean } from '#core/did-you-mean.ts';
import { hasErrors, type Level, type Parsed, type Position, type Problem } from '#core/problem.ts';
import { type DocumentPath, formatPath } from './document-path.ts';
import { messageOfTypeUrl, packAny, registry } from './registry.ts';
import { expected, type Read, readEnum, readScalar, type ScalarValue, shown } from './scalar.ts';

/** A plain value and, when it came from a text, where its parts stand there. */
export interface DocumentSource {
  readonly value: unknown;
  positionOf?(path: DocumentPath): Position | undefined;
}

export interface DocumentOptions {
  /** What a field is that `proto/` does not have: `error` unless said otherwise. A warning leaves it out. */
  readonly unknownFields?: 'error' | 'warning';
}

/**
 * Takes field names in snake_case and camelCase, enums by name or number, wrappers as their bare value,
 * `0.25s` durations, Structs as any object, and an Any with `@type`, whose inside is read as strictly.
 */
export function messageFromDocument<Desc extends DescMessage>(
  schema: Desc,
  source: DocumentSource,
  options: DocumentOptions = {},
): Parsed<MessageShape<Desc>> {
  const reader = new Reader(source, options);
  const message = reader.message(schema, source.value, []);
  const { problems } = reader;
  if (message === undefined || hasErrors(problems)) return { ok: false, problems };
  return { ok: true, value: message as MessageShape<Desc>, problems };
}

/** Well-known types that are not an object of fields in JSON: what one is, in words. */
const leafTypes: ReadonlyMap<string, string> = new Map([
  ['google.protobuf.Duration', 'a duration such as "0.25s"'],
  ['google.protobuf.Timestamp', 'a time such as "2026-01-31T12:00:00Z"'],
  ['google.protobuf.Struct', 'an object'],
  ['google.protobuf.Value', 'a value'],
  ['google.protobuf.ListValue', 'a list'],
]);

class Reader {
  readonly problems: Problem[] = [];
  readonly #source: DocumentSource;
  readonly #options: DocumentOptions;

  constructor(source: DocumentSource, options: DocumentOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** Undefined when nothing could be made of `value`; why is among the problems. */
  message(schema: DescMessage, value: unknown, path: DocumentPath): Message | undefined {
    if (isWrapperDesc(schema)) return this.#wrapper(schema, value, path);
    if (schema.typeName === AnySchema.typeName) return this.#any(value, path);
    const leaf = leafTypes.get(schema.typeName);
    if (leaf !== undefined) return this.#take(readLeaf(schema, leaf, value), path);
    if (!isObject(value)) {
      return this.#take(expected('an object', value), path);
    }
    return this.#fields(schema, Object.entries(value), path);
  }

  #fields(schema: DescMessage, entries: readonly [string, unknown][], path: DocumentPath): Message {
    const message = create(schema);
    const target = reflect(schema, message);
    const setBy = new Map<DescField | { readonly name: string }, string>();
    for (const [key, value] of entries) {
      const at = [...path, key];
      const field = fieldsOf(schema).get(key);
      if (field === undefined) {
        this.#unknown(schema, key, at);
        continue;
      }
      // A null is a field left out, but where null is itself a value.
      if (value === null && field.message?.typeName !== 'google.protobuf.Value') continue;
      const slot = field.oneof ?? field;
      const earlier = setBy.get(slot);
      if (earlier !== undefined) {
        const message = `${JSON.stringify(key)} and ${JSON.stringify(earlier)} cannot both be given`;
        this.#report({ message }, at);
        continue;
      }
      setBy.set(slot, key);
      if (field.deprecated) this.#report({ message: `${field.name} is deprecated` }, at, 'warning');
      this.#field(target, field, value, at);
    }
    return message;
  }

  #field(target: ReflectMessage, field: DescField, value: unknown, at: DocumentPath): void {
    if (field.fieldKind === 'list') {
      this.#list(target, field, value, at);
    } else if (field.fieldKind === 'map') {
      this.#map(target, field, value, at);
    } else {
      const read = this.#item(itemOf(field), value, at);
      if (read !== undefined) target.set(field, read);
    }
  }

  #list(
    target: ReflectMessage,
    field: DescField & { fieldKind: 'list' },
    value: unknown,
    at: DocumentPath,
  ): void {
    if (!Array.isArray(value)) {
      this.#take(expected('a list', value, 'begin each item with "- "'), at);
      return;
    }
    const list = target.get(field);
    for (const [i, item] of value.entries()) {
      const read = this.#item(itemOf(field), item, [...at, i]);
      if (read !== undefined) list.add(read);
    }
  }

  #map(
    target: ReflectMessage,
    field: DescField & { fieldKind: 'map' },
    value: unknown,
    at: DocumentPath,
  ): void {
    if (!isObject(value)) {
      this.#take(expected('an object', value), at);
      return;
    }
    const map = target.get(field);
    for (const [key, item] of Object.entries(value)) {
      const itemAt = [...at, key];
      const readKey =
        field.mapKey === ScalarType.BOOL ? key === 'true' : this.#take(readScalar(field.mapKey, key), itemAt);
      const read = this.#item(itemOf(field), item, itemAt);
      if (readKey !== undefined && read !== undefined) map.set(readKey, read);
    }
  }

  /** One value of a field, of a list or of a map. Undefined when it is wrong. */
  #item(item: Item, value: unknown, at: DocumentPath): ScalarValue | ReflectMessage | undefined {
    if (item.message !== undefined) {
      const message = this.message(item.message, value, at);
      return message === undefined ? undefined : reflect(item.message, message);
    }
    return this.#take(
      item.enum !== undefined ? readEnum(item.enum, value) : readScalar(item.scalar, value),
      at,
    );
  }

  #wrapper(schema: DescMessage, value: unknown, path: DocumentPath): Message | undefined {
    const field = schema.fields[0]!;
    const read = this.#item(itemOf(field), value, path);
    if (read === undefined) return undefined;
    const message = create(schema);
    reflect(schema, message).set(field, read);
    return message;
  }

  #any(value: unknown, path: DocumentPath): Message | undefined {
    if (!isObject(value)) return this.#take(expected('an object with "@type"', value), path);
    // `FilterConfig` says with an empty one that a filter is on.
    if (path.at(-1) === 'config' && Object.keys(value).length === 0) return create(AnySchema);
    const typeUrl = value['@type'];
    const at = [...path, '@type'];
    if (typeof typeUrl !== 'string') {
      return this.#take(
        { ok: false, message: 'the field "@type" is missing: it names the type of this object' },
        path,
      );
    }
    const schema = messageOfTypeUrl(typeUrl);
    if (schema === undefined) return this.#unsupportedType(typeUrl, at);
    const rest = Object.entries(value).filter(([key]) => key !== '@type');
    const inner = this.#inside(schema, rest, path);
    return inner === undefined ? undefined : packAny(schema, inner);
  }

  /** What stands beside `@type`: the fields, or `value` for types that are not an object of fields. */
  #inside(schema: DescMessage, rest: readonly [string, unknown][], path: DocumentPath): Message | undefined {
    const plain =
      isWrapperDesc(schema) || leafTypes.has(schema.typeName) || schema.typeName === AnySchema.typeName;
    if (!plain) return this.#fields(schema, rest, path);
    const inner = rest.find(([key]) => key === 'value');
    for (const [key] of rest) if (key !== 'value') this.#unknown(schema, key, [...path, key]);
    if (inner === undefined) return create(schema);
    return this.message(schema, inner[1], [...path, 'value']);
  }

  #unsupportedType(typeUrl: string, at: DocumentPath): undefined {
    const known: string[] = [];
    for (const desc of registry) if (desc.kind === 'message') known.push(desc.typeName);
    const meant = closest(typeUrl.slice(typeUrl.lastIndexOf('/') + 1), known);
    this.#report(
      {
        message: `the type ${JSON.stringify(typeUrl)} is not supported`,
        ...(meant === undefined ? {} : { fix: `did you mean "type.googleapis.com/${meant}"?` }),
      },
      at,
    );
  }

  #unknown(schema: DescMessage, key: string, at: DocumentPath): void {
    const fix = didYouMean(
      key,
      schema.fields.map((field) => (/[A-Z]/.test(key) ? field.jsonName : field.name)),
    );
    const message = `the field ${JSON.stringify(key)} is not supported in ${schema.name}`;
    this.#report({ message, ...(fix === undefined ? {} : { fix }) }, at, this.#options.unknownFields);
  }

  /** The value of `read`, or undefined after the problem was noted. */
  #take<T>(read: Read<T>, at: DocumentPath): T | undefined {
    if (read.ok) return read.value;
    this.#report(read, at);
    return undefined;
  }

  #report(found: { message: string; fix?: string }, path: DocumentPath, level: Level = 'error'): void {
    const at = this.#source.positionOf?.(path);
    this.problems.push({
      level,
      message: found.message,
      path: formatPath(path),
      ...(at === undefined ? {} : { at }),
      ...(found.fix === undefined ? {} : { fix: found.fix }),
    });
  }
}

/** What one value of a field is. */
type Item =
  | { readonly message: DescMessage; readonly enum?: undefined }
  | { readonly message?: undefined; readonly enum: DescEnum }
  | { readonly message?: undefined; readonly enum?: undefined; readonly scalar: ScalarType };

function itemOf(field: DescField): Item {
  if (field.message !== undefined) return { message: field.message };
  if (field.enum !== undefined) return { enum: field.enum };
  return { scalar: field.scalar! };
}

function readLeaf(schema: DescMessage, what: string, value: unknown): Read<Message> {
  try {
    return { ok: true, value: fromJson(schema, value as JsonValue) };
  } catch {
    const bare = schema.typeName === 'google.protobuf.Duration' && typeof value === 'number';
    return expected(what, value, bare ? `write "${shown(value)}s"` : undefined);
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

const fieldsByName = new WeakMap<DescMessage, ReadonlyMap<string, DescField>>();

/** The fields of `schema` by both of their names. */
function fieldsOf(schema: DescMessage): ReadonlyMap<string, DescField> {
  let fields = fieldsByName.get(schema);
  if (fields === undefined) {
    fields = new Map(
      schema.fields.flatMap((field) => [
        [field.name, field],
        [field.jsonName, field],
      ]),
    );
    fieldsByName.set(schema, fields);
  }
  return fields;
}
