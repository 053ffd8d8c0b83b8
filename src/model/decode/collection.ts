/** Decoders of lists and of maps with free keys. */
import { type Decoder, describeValue } from './decoder.ts';
import { described, schemaOf } from './schema.ts';

/** @param least how many items there must be. */
export function list<T>(item: Decoder<T>, least = 0): Decoder<readonly T[]> {
  const schema = { type: 'list', items: schemaOf(item), ...(least > 0 && { minItems: least }) } as const;
  return described(schema, (value, path, report) => {
    if (!Array.isArray(value)) return report.error(path, `a list is expected, not ${describeValue(value)}`);
    if (value.length < least) return report.error(path, 'must not be empty');
    const decoded: T[] = [];
    for (const [index, raw] of value.entries()) {
      const one = item(raw, [...path, index], report);
      if (one !== undefined) decoded.push(one);
    }
    return decoded.length === value.length ? decoded : undefined;
  });
}

/** An object whose keys are data, such as labels. */
export function mapOf<T>(item: Decoder<T>, key?: Decoder<string>): Decoder<Readonly<Record<string, T>>> {
  return described({ type: 'map', values: schemaOf(item) }, (value, path, report) => {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      return report.error(path, `an object is expected, not ${describeValue(value)}`);
    }
    const decoded: [string, T][] = [];
    let whole = true;
    for (const [name, raw] of Object.entries(value)) {
      const keyIsGood = key === undefined || key(name, [...path, name], report) !== undefined;
      const one = item(raw, [...path, name], report);
      if (one === undefined || !keyIsGood) whole = false;
      else decoded.push([name, one]);
    }
    return whole ? Object.fromEntries(decoded) : undefined;
  });
}
