/**
 * What a decoder takes, told to readers: reference pages are made from it, and it is compared with the schemas that
 * others publish. In the words of JSON Schema, as far as it has them.
 */
import type { Decoder, Loss, Path, Report } from './decoder.ts';

export type Schema =
  | StringSchema
  | NumberSchema
  | ListSchema
  | MapSchema
  | ObjectSchema
  | { readonly type: 'boolean' }
  | { readonly type: 'any' };

export interface StringSchema {
  readonly type: 'string';
  /** All that may be written, where that is a closed set. */
  readonly words?: readonly string[];
  readonly minLength?: number;
  readonly maxLength?: number;
  /** What a text stands for, such as `duration`. */
  readonly format?: string;
}

/** Both ends are included. */
export interface NumberSchema {
  readonly type: 'integer' | 'number';
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface ListSchema {
  readonly type: 'list';
  readonly items: Schema;
  /** Absent: any number of them, none among that. */
  readonly minItems?: number;
  readonly maxItems?: number;
}

/** An object whose keys are data. */
export interface MapSchema {
  readonly type: 'map';
  readonly values: Schema;
  readonly maxProperties?: number;
}

export interface ObjectSchema {
  readonly type: 'object';
  readonly fields: Readonly<Record<string, FieldSchema>>;
}

export interface FieldSchema {
  readonly presence: 'required' | 'optional';
  /** What holds where nothing is written, if that is a value one could write. */
  readonly fallback?: unknown;
  /** `any`: it is not looked into. */
  readonly schema: Schema;
  /** What becomes of it: taken; an error; no effect, as it has no meaning here; an error or a warning, by what is lost. */
  readonly support: 'taken' | 'refused' | 'meaningless' | Loss;
  /** What it does, in a sentence or two. */
  readonly about?: string;
}

/** `any`: it does not say. */
export function schemaOf(decoder: Decoder<unknown>): Schema {
  return decoder.schema ?? { type: 'any' };
}

/** The fields of an object; none of what is none. */
export function objectSchemaOf(schema: Schema): ObjectSchema {
  return schema.type === 'object' ? schema : { type: 'object', fields: {} };
}

/** Lets a decoder say what it takes. */
export function described<T>(schema: Schema, decoder: Decoder<T>): Decoder<T> {
  return Object.assign((value: unknown, path: Path, report: Report) => decoder(value, path, report), {
    schema,
  });
}

/**
 * A decoder that looks further into, or makes something else of, what another has decoded. It takes what that takes.
 *
 * @param more what it says of it besides
 */
export function refined<T, U>(
  base: Decoder<T>,
  refine: (decoded: T, path: Path, report: Report, written: unknown) => U | undefined,
  more?: Omit<Partial<StringSchema>, 'type'> | Omit<Partial<NumberSchema>, 'type'>,
): Decoder<U> {
  const schema = more === undefined ? schemaOf(base) : ({ ...schemaOf(base), ...more } as Schema);
  return described(schema, (value, path, report) => {
    const decoded = base(value, path, report);
    return decoded === undefined ? undefined : refine(decoded, path, report, value);
  });
}
