/** Scalars and enums of ProtoJSON, read out of a YAML or JSON value: the value, or what was expected. */
import { type DescEnum, ScalarType } from '@bufbuild/protobuf';
import { base64Decode } from '@bufbuild/protobuf/wire';
import { closest } from '#core/did-you-mean.ts';

export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly message: string; readonly fix?: string };

export type ScalarValue = string | number | bigint | boolean | Uint8Array;

/** `value` as one would write it, short enough for a message. */
export function shown(value: unknown): string {
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object' && value !== null) return 'an object';
  const text = JSON.stringify(value) ?? String(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

export function expected(what: string, value: unknown, fix?: string): Read<never> {
  const message = `expected ${what}, found ${shown(value)}`;
  return fix === undefined ? { ok: false, message } : { ok: false, message, fix };
}

export function readScalar(type: ScalarType, value: unknown): Read<ScalarValue> {
  switch (type) {
    case ScalarType.STRING:
      return readText(value);
    case ScalarType.BOOL:
      return readBoolean(value);
    case ScalarType.BYTES:
      return readBytes(value);
    case ScalarType.DOUBLE:
    case ScalarType.FLOAT:
      return readFloat(value);
    case ScalarType.INT32:
    case ScalarType.SINT32:
    case ScalarType.SFIXED32:
      return readInteger(value, -(2n ** 31n), 2n ** 31n - 1n, Number);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return readInteger(value, 0n, 2n ** 32n - 1n, Number);
    case ScalarType.INT64:
    case ScalarType.SINT64:
    case ScalarType.SFIXED64:
      return readInteger(value, -(2n ** 63n), 2n ** 63n - 1n, BigInt);
    case ScalarType.UINT64:
    case ScalarType.FIXED64:
      return readInteger(value, 0n, 2n ** 64n - 1n, BigInt);
  }
}

function readText(value: unknown): Read<string> {
  if (typeof value === 'string') return { ok: true, value };
  const quoted = typeof value === 'number' || typeof value === 'boolean';
  return expected('a text', value, quoted ? `write "${String(value)}" in quotes` : undefined);
}

function readBoolean(value: unknown): Read<boolean> {
  if (typeof value === 'boolean') return { ok: true, value };
  return expected('true or false', value);
}

function readBytes(value: unknown): Read<Uint8Array> {
  if (typeof value !== 'string') return expected('bytes in base64', value);
  try {
    return { ok: true, value: base64Decode(value) };
  } catch {
    return expected('bytes in base64', value);
  }
}

function readFloat(value: unknown): Read<number> {
  if (typeof value === 'number') return { ok: true, value };
  if (value === 'NaN' || value === 'Infinity' || value === '-Infinity') {
    return { ok: true, value: Number(value) };
  }
  if (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))) {
    return { ok: true, value: Number(value) };
  }
  return expected('a number', value);
}

/** ProtoJSON takes whole numbers as numbers and as texts; 64-bit ones are written as texts. */
function readInteger<T extends number | bigint>(
  value: unknown,
  least: bigint,
  most: bigint,
  convert: (whole: bigint) => T,
): Read<T> {
  let whole: bigint | undefined;
  if (typeof value === 'number' && Number.isInteger(value)) whole = BigInt(value);
  else if (typeof value === 'string' && /^-?\d+$/.test(value)) whole = BigInt(value);
  if (whole === undefined) return expected('a whole number', value);
  if (whole < least || whole > most) return expected(`a whole number from ${least} to ${most}`, value);
  return { ok: true, value: convert(whole) };
}

/** By name or by number; a number the enum does not have is refused. */
export function readEnum(desc: DescEnum, value: unknown): Read<number> {
  const names = desc.values.map((known) => known.name);
  if (typeof value === 'number') {
    if (desc.value[value] !== undefined) return { ok: true, value };
    return expected(`one of ${names.join(', ')}`, value);
  }
  if (typeof value !== 'string') return expected(`one of ${names.join(', ')}`, value);
  const found = desc.values.find((known) => known.name === value);
  if (found !== undefined) return { ok: true, value: found.number };
  const meant = closest(value, names);
  return expected(
    `one of ${names.join(', ')}`,
    value,
    meant === undefined ? undefined : `did you mean ${meant}?`,
  );
}
