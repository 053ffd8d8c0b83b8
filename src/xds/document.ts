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
import { AnySchema, DurationSchema, isWrapperDesc } from '@bufbuild/protobuf/wkt';
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
  const message = reader.message(schema, source.value);
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
  /** Of what is being read. */
  readonly #path: (string | number)[] = [];

  constructor(source: DocumentSource, options: DocumentOptions) {
    this.#source = source;
    this.#options = options;
  }

  /** Undefined when nothing could be made of `value`; why is among the problems. */
  message(schema: DescMessage, value: unknown): Message | undefined {
    const { typeName } = schema;
    if (typeName.startsWith('google.protobuf.')) {
      if (isWrapperDesc(schema)) return this.#wrapper(schema, value);
      if (typeName === AnySchema.typeName) return this.#any(value);
      const leaf = leafTypes.get(typeName);
      if (leaf !== undefined) return this.#take(readLeaf(schema, leaf, value));
    }
    if (!isObject(value)) return this.#take(expected('an object', value));
    return this.#fields(schema, value);
  }

  /** @param but the name of a field that is none */
  #fields(schema: DescMessage, value: Readonly<Record<string, unknown>>, but?: string): Message {
    const message = create(schema);
    const fields = fieldsOf(schema);
    const slots: unknown[] = [];
    const setBy: string[] = [];
    for (const key of Object.keys(value)) {
      if (key === but) continue;
      this.#path.push(key);
      const known = fields.get(key);
      if (known === undefined) this.#unknown(schema, key);
      // A null is a field left out, but where null is itself a value.
      else if (value[key] !== null || known.item.message?.typeName === 'google.protobuf.Value') {
        const { field } = known;
        const slot = field.oneof ?? field;
        const earlier = slots.indexOf(slot);
        if (earlier >= 0) {
          const names = `${JSON.stringify(key)} and ${JSON.stringify(setBy[earlier])}`;
          this.#report({ message: `${names} cannot both be given` });
        } else {
          slots.push(slot);
          setBy.push(key);
          if (field.deprecated) this.#report({ message: `${field.name} is deprecated` }, 'warning');
          this.#field(schema, message, known, value[key]);
        }
      }
      this.#path.pop();
    }
    return message;
  }

  #field(schema: DescMessage, message: Message, known: KnownField, value: unknown): void {
    const { field, item } = known;
    if (field.fieldKind === 'list') this.#list(schema, message, known, value);
    else if (field.fieldKind === 'map') this.#map(reflect(schema, message), field, item, value);
    else {
      const read = this.#item(item, value);
      if (read === undefined) return;
      if (known.isStoredOtherwise) reflect(schema, message).set(field, reflected(item, read));
      else if (field.oneof === undefined) (message as Fields)[field.localName] = read;
      else (message as Fields)[field.oneof.localName] = { case: field.localName, value: read };
    }
  }

  #list(schema: DescMessage, message: Message, known: KnownField, value: unknown): void {
    const { field, item } = known;
    if (!Array.isArray(value)) {
      this.#take(expected('a list', value, 'begin each item with "- "'));
      return;
    }
    const stored = (message as Fields)[field.localName] as unknown[];
    const list = known.isStoredOtherwise ? reflect(schema, message).get(field as ListField) : undefined;
    for (let i = 0; i < value.length; i++) {
      this.#path.push(i);
      const read = this.#item(item, value[i]);
      this.#path.pop();
      if (read === undefined) continue;
      if (list === undefined) stored.push(read);
      else list.add(reflected(item, read));
    }
  }

  #map(target: ReflectMessage, field: MapField, item: Item, value: unknown): void {
    if (!isObject(value)) {
      this.#take(expected('an object', value));
      return;
    }
    const map = target.get(field);
    for (const [key, one] of Object.entries(value)) {
      this.#path.push(key);
      const readKey =
        field.mapKey === ScalarType.BOOL ? key === 'true' : this.#take(readScalar(field.mapKey, key));
      const read = this.#item(item, one);
      this.#path.pop();
      if (readKey !== undefined && read !== undefined) map.set(readKey, reflected(item, read));
    }
  }

  /** One value of a field, of a list or of a map. Undefined when it is wrong. */
  #item(item: Item, value: unknown): ScalarValue | Message | undefined {
    if (item.message !== undefined) return this.message(item.message, value);
    return this.#take(item.enum !== undefined ? readEnum(item.enum, value) : readScalar(item.scalar, value));
  }

  #wrapper(schema: DescMessage, value: unknown): Message | undefined {
    const field = schema.fields[0]!;
    const read = this.#item(itemOf(field), value);
    if (read === undefined) return undefined;
    const message = create(schema);
    (message as Fields)[field.localName] = read;
    return message;
  }

  #any(value: unknown): Message | undefined {
    if (!isObject(value)) return this.#take(expected('an object with "@type"', value));
    // `FilterConfig` says with an empty one that a filter is on.
    if (this.#path.at(-1) === 'config' && Object.keys(value).length === 0) return create(AnySchema);
    const typeUrl = value['@type'];
    if (typeof typeUrl !== 'string') {
      return this.#take({
        ok: false,
        message: 'the field "@type" is missing: it names the type of this object',
      });
    }
    const schema = messageOfTypeUrl(typeUrl);
    if (schema === undefined) return this.#unsupportedType(typeUrl);
    const inner = this.#inside(schema, value);
    return inner === undefined ? undefined : packAny(schema, inner);
  }

  /** What stands beside `@type`: the fields, or `value` for types that are not an object of fields. */
  #inside(schema: DescMessage, value: Readonly<Record<string, unknown>>): Message | undefined {
    const plain =
      isWrapperDesc(schema) || leafTypes.has(schema.typeName) || schema.typeName === AnySchema.typeName;
    if (!plain) return this.#fields(schema, value, '@type');
    for (const key of Object.keys(value)) {
      if (key === 'value' || key === '@type') continue;
      this.#path.push(key);
      this.#unknown(schema, key);
      this.#path.pop();
    }
    if (!Object.hasOwn(value, 'value')) return create(schema);
    this.#path.push('value');
    const read = this.message(schema, value.value);
    this.#path.pop();
    return read;
  }

  #unsupportedType(typeUrl: string): undefined {
    const known: string[] = [];
    for (const desc of registry) if (desc.kind === 'message') known.push(desc.typeName);
    const meant = closest(typeUrl.slice(typeUrl.lastIndexOf('/') + 1), known);
    this.#path.push('@type');
    this.#report({
      message: `the type ${JSON.stringify(typeUrl)} is not supported`,
      ...(meant === undefined ? {} : { fix: `did you mean "type.googleapis.com/${meant}"?` }),
    });
    this.#path.pop();
  }

  #unknown(schema: DescMessage, key: string): void {
    const fix = didYouMean(
      key,
      schema.fields.map((field) => (/[A-Z]/.test(key) ? field.jsonName : field.name)),
    );
    const message = `the field ${JSON.stringify(key)} is not supported in ${schema.name}`;
    this.#report({ message, ...(fix === undefined ? {} : { fix }) }, this.#options.unknownFields);
  }

  /** The value of `read`, or undefined after the problem was noted. */
  #take<T>(read: Read<T>): T | undefined {
    if (read.ok) return read.value;
    this.#report(read);
    return undefined;
  }

  #report(found: { message: string; fix?: string }, level: Level = 'error'): void {
    const path = [...this.#path];
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
    const isPlain = schema.typeName !== DurationSchema.typeName || !isObject(value);
    return { ok: true, value: fromJson(schema, isPlain ? (value as JsonValue) : durationText(value)) };
  } catch {
    const bare = schema.typeName === 'google.protobuf.Duration' && typeof value === 'number';
    return expected(what, value, bare ? `write "${shown(value)}s"` : undefined);
  }
}

/** `{ seconds: 1, nanos: 5 }`, which Envoy takes too, as ProtoJSON writes it. Throws where it is none. */
function durationText({ seconds = 0, nanos = 0, ...rest }: Record<string, unknown>): string {
  const whole = Number(seconds);
  const fraction = Number(nanos);
  const isSound = Number.isSafeInteger(whole) && Number.isInteger(fraction) && Math.abs(fraction) < 1e9;
  if (!isSound || Object.keys(rest).length > 0 || whole * fraction < 0) throw new Error('no duration');
  const sign = whole < 0 || fraction < 0 ? '-' : '';
  return `${sign}${Math.abs(whole)}.${String(Math.abs(fraction)).padStart(9, '0')}s`;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

type ListField = DescField & { fieldKind: 'list' };
type MapField = DescField & { fieldKind: 'map' };
/** A message by the names of its properties. */
type Fields = Message & Record<string, unknown>;

interface KnownField {
  readonly field: DescField;
  readonly item: Item;
  /** The library keeps its value in another form than as the message that it is. */
  readonly isStoredOtherwise: boolean;
}

const fieldsByName = new WeakMap<DescMessage, ReadonlyMap<string, KnownField>>();

/** The fields of `schema` by both of their names. */
function fieldsOf(schema: DescMessage): ReadonlyMap<string, KnownField> {
  let fields = fieldsByName.get(schema);
  if (fields === undefined) {
    fields = new Map(
      schema.fields.flatMap((field): [string, KnownField][] => {
        const item = itemOf(field);
        const { message } = item;
        const isStoredOtherwise =
          message !== undefined && (isWrapperDesc(message) || message.typeName === 'google.protobuf.Struct');
        const known = { field, item, isStoredOtherwise };
        return [
          [field.name, known],
          [field.jsonName, known],
        ];
      }),
    );
    fieldsByName.set(schema, fields);
  }
  return fields;
}

/** As the library's setters take it. */
function reflected(item: Item, read: ScalarValue | Message): ScalarValue | ReflectMessage {
  return item.message === undefined ? (read as ScalarValue) : reflect(item.message, read as Message);
}
