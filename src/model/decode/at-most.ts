/** How much there may be of something: characters of a text, items of a list, entries of a map. */
import type { Decoder } from './decoder.ts';
import { described, type Schema, schemaOf } from './schema.ts';

/** What `decoder` takes, up to so many of its characters, items or entries. */
export function atMost<T extends string | readonly unknown[] | Readonly<Record<string, unknown>>>(
  most: number,
  decoder: Decoder<T>,
): Decoder<T> {
  const schema = schemaOf(decoder);
  const [limit, what] = limitOf(schema);
  return described({ ...schema, [limit]: most }, (value, path, report) => {
    if (sizeOf(value) > most) return report.error(path, `more than ${most} ${what}`);
    return decoder(value, path, report);
  });
}

function limitOf({ type }: Schema): [limit: string, what: string] {
  if (type === 'list') return ['maxItems', 'items'];
  return type === 'map' ? ['maxProperties', 'entries'] : ['maxLength', 'characters'];
}

function sizeOf(value: unknown): number {
  if (typeof value === 'string' || Array.isArray(value)) return value.length;
  return typeof value === 'object' && value !== null ? Object.keys(value).length : 0;
}
