/** Values of documents that nobody has decoded: what is not there, or of another type, counts as empty. */
import type { Labels } from '../metadata.ts';

export type Raw = Readonly<Record<string, unknown>>;

const nothing: Raw = {};

export function asObject(value: unknown): Raw {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Raw) : nothing;
}

export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

export function asObjects(value: unknown): readonly Raw[] {
  return asList(value).map(asObject);
}

/** Absent where it is no text, or an empty one. */
export function asText(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export function asTexts(value: unknown): readonly string[] {
  return asList(value).flatMap((item) => asText(item) ?? []);
}

export function asNumber(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}

export function asLabels(value: unknown): Labels {
  const texts = Object.entries(asObject(value)).filter(([, text]) => typeof text === 'string');
  return Object.fromEntries(texts) as Labels;
}

/** The value that `steps` lead to; undefined where they lead nowhere. */
export function valueAt(value: unknown, ...steps: readonly string[]): unknown {
  return steps.reduce<unknown>((at, step) => asObject(at)[step], value);
}
