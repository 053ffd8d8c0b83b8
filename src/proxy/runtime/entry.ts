/** One value of the runtime: its text, and what it is when read as a number, a truth or a fraction. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { parseYaml } from '#core/yaml.ts';
import type { Fraction } from './values.ts';

/** Crosses to other threads as it is. */
export interface RuntimeEntry {
  /** As `/runtime` shows it. */
  readonly text: string;
  readonly integer?: number;
  readonly double?: number;
  readonly boolean?: boolean;
  readonly fraction?: Fraction;
}

/** By key. */
export type RuntimeEntries = ReadonlyMap<string, RuntimeEntry>;

const NUMBER = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*$/;
const MAX_INTEGER = 2 ** 64;

/**
 * A value of a static layer or of RTDS.
 *
 * @param text what it was written as; absent: the value says it.
 */
export function entryOf(value: JsonValue, text?: string): RuntimeEntry {
  switch (typeof value) {
    case 'number':
      return { text: text ?? numberText(value), ...numbers(value) };
    case 'boolean':
      return { text: text ?? String(value), boolean: value };
    case 'string':
      return ofText(value, text ?? value);
    default: {
      const object = value as JsonObject;
      const fraction = fractionOf(object);
      return { text: text ?? debugText(object, ''), ...(fraction !== undefined && { fraction }) };
    }
  }
}

/** What a file or the admin interface says: YAML, with its truths of version 1.1. Undefined where it is none. */
export function entryOfYaml(text: string): RuntimeEntry | undefined {
  const { documents, problems } = parseYaml(text, 'runtime');
  if (problems.some(({ level }) => level === 'error')) return undefined;
  const value = documents[0]?.value ?? null;
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return entryOf(value as JsonObject, text);
  if (typeof value === 'string' && /^(?:y|yes|on)$/i.test(value)) return { text, boolean: true };
  if (typeof value === 'string' && /^(?:n|no|off)$/i.test(value)) return { text, boolean: false };
  return ofText(text, text);
}

function ofText(value: string, text: string): RuntimeEntry {
  if (NUMBER.test(value)) return { text, ...numbers(Number(value)) };
  const lower = value.toLowerCase();
  if (lower === 'true' || lower === 'false') return { text, boolean: lower === 'true' };
  return { text };
}

function numbers(double: number): Pick<RuntimeEntry, 'double' | 'integer'> {
  return double >= 0 && double <= MAX_INTEGER ? { double, integer: Math.floor(double) } : { double };
}

/** Six significant digits, as C++ streams write them. */
function numberText(value: number): string {
  const exponential = value.toExponential(5);
  const [digits = '', power = ''] = exponential.split('e');
  const exponent = Number(power);
  if (value === 0 || (exponent >= -4 && exponent < 6)) return withoutZeros(value.toPrecision(6));
  return `${withoutZeros(digits)}e${power.replace(/^([+-])(\d)$/, '$10$2')}`;
}

function withoutZeros(digits: string): string {
  return digits.includes('.') ? digits.replace(/\.?0+$/, '') : digits;
}

/** A `FractionalPercent` in JSON; undefined where it is none. */
export function fractionOf(object: JsonObject): Fraction | undefined {
  const { numerator = 0, denominator = 'HUNDRED', ...others } = object;
  if (Object.keys(others).length > 0) return undefined;
  const parts = typeof denominator === 'string' ? partsByName[denominator] : undefined;
  if (parts === undefined) return undefined;
  return { numerator: typeof numerator === 'number' ? Math.trunc(numerator) : 0, parts };
}

const partsByName: Readonly<Record<string, number>> = {
  HUNDRED: 100,
  TEN_THOUSAND: 10_000,
  MILLION: 1_000_000,
};

/** A `Struct` as protobuf's text format has it. */
function debugText(object: JsonObject, indent: string): string {
  return Object.entries(object)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(
      ([key, value]) =>
        `${indent}fields {\n${indent}  key: ${JSON.stringify(key)}\n${indent}  value {\n` +
        `${debugValue(value, `${indent}    `)}${indent}  }\n${indent}}\n`,
    )
    .join('');
}

function debugValue(value: JsonValue, indent: string): string {
  switch (typeof value) {
    case 'number':
      return `${indent}number_value: ${numberText(value)}\n`;
    case 'string':
      return `${indent}string_value: ${JSON.stringify(value)}\n`;
    case 'boolean':
      return `${indent}bool_value: ${value}\n`;
    default:
      if (value === null) return `${indent}null_value: NULL_VALUE\n`;
      if (!Array.isArray(value))
        return `${indent}struct_value {\n${debugText(value as JsonObject, `${indent}  `)}${indent}}\n`;
      return `${indent}list_value {\n${value.map((item) => `${indent}  values {\n${debugValue(item, `${indent}    `)}${indent}  }\n`).join('')}${indent}}\n`;
  }
}
