/**
 * Decoder of an object with known fields. Every field of the original schema is listed: decoded,
 * known but not supported, or known to be without meaning here. Anything else is an error.
 */
import { didYouMean, onlyClosest } from '#core/did-you-mean.ts';
import { type Decoder, describeValue, type Loss, type Path, type Report } from './decoder.ts';
import { described, type FieldSchema, type ObjectSchema, schemaOf } from './schema.ts';

type Presence = 'required' | 'optional' | 'defaulted' | 'dropped';

export interface Field<T, P extends Presence = Presence> {
  readonly presence: P;
  /** Absent for fields that are never decoded. */
  readonly decode?: Decoder<T>;
  readonly fallback?: T;
  /** For `dropped`: called when the field is there. */
  dropped?(path: Path, report: Report, value: unknown): void;
  /** For `dropped`: absent, it is without meaning here. */
  readonly lack?: Loss | 'refused';
  /** What it does, in a sentence or two, for reference pages. */
  readonly about?: string;
}

export function required<T>(decode: Decoder<T>, about?: string): Field<T, 'required'> {
  return { presence: 'required', decode, ...told(about) };
}

/** Absent (or null): the property is absent too. */
export function optional<T>(decode: Decoder<T>, about?: string): Field<T, 'optional'> {
  return { presence: 'optional', decode, ...told(about) };
}

/** Absent (or null): the property is `fallback`. */
export function defaulted<T>(decode: Decoder<T>, fallback: T, about?: string): Field<T, 'defaulted'> {
  return { presence: 'defaulted', decode, fallback, ...told(about) };
}

/** A known field without support yet. */
export function unsupported(loss: Loss, about?: string): Field<never, 'dropped'> {
  return {
    presence: 'dropped',
    dropped: (path, report) => report.unsupported(path, loss),
    lack: loss,
    ...told(about),
  };
}

/** A known field whose absence of support matters only if `closes(value)`; else it is the default anyway. */
export function unsupportedIf(
  loss: Loss,
  matters: (value: unknown) => boolean,
  about?: string,
): Field<never, 'dropped'> {
  return {
    presence: 'dropped',
    dropped(path, report, value): void {
      if (matters(value)) report.unsupported(path, loss);
    },
    lack: loss,
    ...told(about),
  };
}

/** A known field without support, and without which nothing of it would work. @param fix what to write instead */
export function refused(fix: string, about?: string): Field<never, 'dropped'> {
  return {
    presence: 'dropped',
    dropped: (path, report) => report.error(path, 'this field is not supported yet', fix),
    lack: 'refused',
    ...told(about),
  };
}

/** A known field that has no meaning in this mesh, such as `imagePullPolicy`. @param about why */
export function meaningless(about?: string): Field<never, 'dropped'> {
  return { presence: 'dropped', dropped() {}, ...told(about) };
}

const told = (about: string | undefined) => (about === undefined ? {} : { about });

// biome-ignore lint/suspicious/noExplicitAny: the field's type is found again in ObjectOf.
export type Shape = Readonly<Record<string, Field<any, any>>>;

type Keys<S extends Shape, P extends Presence> = {
  [K in keyof S]: S[K] extends Field<unknown, infer Q> ? (Q extends P ? K : never) : never;
}[keyof S];
type ValueOf<F> = F extends Field<infer T, Presence> ? T : never;
export type ObjectOf<S extends Shape> = {
  readonly [K in Keys<S, 'required' | 'defaulted'>]: ValueOf<S[K]>;
} & { readonly [K in Keys<S, 'optional'>]?: ValueOf<S[K]> };

/** @param check looks at the whole, once every field is good; reports what does not fit together. */
export function object<const S extends Shape>(
  shape: S,
  check?: (value: ObjectOf<S>, path: Path, report: Report) => void,
): Decoder<ObjectOf<S>> {
  return described(objectSchema(shape), (value, path, report) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return report.error(path, `an object is expected, not ${describeValue(value)}`);
    }
    const raw = value as Readonly<Record<string, unknown>>;
    const decoded: Record<string, unknown> = {};
    let whole = reportUnknown(raw, shape, path, report);
    for (const [name, field] of Object.entries(shape)) {
      if (!decodeField(name, field, raw, decoded, [...path, name], report)) whole = false;
    }
    if (!whole) return undefined;
    check?.(decoded as ObjectOf<S>, path, report);
    return decoded as ObjectOf<S>;
  });
}

/** What the fields take, as others see it. */
export function objectSchema(shape: Shape): ObjectSchema {
  return { type: 'object', fields: mapValues(shape, fieldSchema) };
}

function fieldSchema({ presence, decode, fallback, lack, about }: Field<unknown>): FieldSchema {
  return {
    presence: presence === 'required' ? 'required' : 'optional',
    ...(fallback !== undefined && { fallback }),
    schema: decode === undefined ? { type: 'any' } : schemaOf(decode),
    support: presence === 'dropped' ? (lack ?? 'meaningless') : 'taken',
    ...told(about),
  };
}

function mapValues<T, U>(of: Readonly<Record<string, T>>, to: (value: T) => U): Record<string, U> {
  return Object.fromEntries(Object.entries(of).map(([name, value]) => [name, to(value)]));
}

function reportUnknown(raw: object, shape: Shape, path: Path, report: Report): boolean {
  let known = true;
  for (const name of Object.keys(raw)) {
    if (Object.hasOwn(shape, name)) continue;
    known = false;
    const names = Object.keys(shape);
    const meant = onlyClosest(name, names);
    const repair = meant === undefined || Object.hasOwn(raw, meant) ? undefined : { name: meant };
    report.error([...path, name], 'there is no such field', didYouMean(name, names), repair);
  }
  return known;
}

function decodeField(
  name: string,
  field: Field<unknown>,
  raw: Readonly<Record<string, unknown>>,
  into: Record<string, unknown>,
  path: Path,
  report: Report,
): boolean {
  const value = Object.hasOwn(raw, name) ? raw[name] : undefined;
  if (value === undefined || value === null || (value === '' && isUnsetByEmpty(field))) {
    if (field.presence === 'defaulted') into[name] = field.fallback;
    if (field.presence !== 'required') return true;
    report.error(path, 'this field is required');
    return false;
  }
  if (field.decode === undefined) {
    field.dropped?.(path, report, value);
    return true;
  }
  const decoded = field.decode(value, path, report);
  if (decoded === undefined) return false;
  into[name] = decoded;
  return true;
}

/** In proto3, and so for Istio and Kubernetes, an empty text is none, unless there are empty ones. */
function isUnsetByEmpty({ presence, decode }: Field<unknown>): boolean {
  if (presence === 'required' || decode === undefined) return false;
  const schema = schemaOf(decode);
  return schema.type === 'string' && (schema.minLength ?? 0) > 0;
}

/** Exactly one of `names` must be there; `none` if it may be no field at all. */
export function atMostOneOf(
  value: object,
  names: readonly string[],
  none: 'none is fine' | 'one is needed',
  path: Path,
  report: Report,
): void {
  const present = names.filter((name) => Object.hasOwn(value, name));
  if (present.length > 1)
    report.error(path, `only one of ${names.join(', ')} may be set, not ${present.join(' and ')}`);
  else if (present.length === 0 && none === 'one is needed')
    report.error(path, `one of ${names.join(', ')} is needed`);
}
