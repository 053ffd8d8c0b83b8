/** Texts that are one object of JSON (RFC 8259), as large configurations written by programs are. */

export interface Json {
  readonly value: Readonly<Record<string, unknown>>;
}

/**
 * Undefined for every other text, and for what readers of JSON do not agree about: keys that are there twice.
 * @param maxDepth levels of nesting; a text with more is none of these
 */
export function parseJson(text: string, maxDepth: number): Json | undefined {
  if (!/^\s*\{/.test(text)) return undefined;
  let value: Readonly<Record<string, unknown>>;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  // Of two keys of one name JSON.parse keeps one.
  return countKeys(value, maxDepth) === keysInText(text) ? { value } : undefined;
}

/** NaN where it is too deep. */
function countKeys(value: unknown, maxDepth: number): number {
  if (typeof value !== 'object' || value === null) return 0;
  if (maxDepth === 0) return Number.NaN;
  let count = 0;
  if (Array.isArray(value)) {
    for (const item of value) count += countKeys(item, maxDepth - 1);
    return count;
  }
  const fields = Object.values(value);
  count = fields.length;
  for (const field of fields) count += countKeys(field, maxDepth - 1);
  return count;
}

/** @param text valid JSON: what is followed by a colon is a key. */
function keysInText(text: string): number {
  let count = 0;
  for (let at = text.indexOf('"'); at >= 0; at = text.indexOf('"', at)) {
    for (at++; text[at] !== '"'; at++) if (text[at] === '\\') at++;
    for (at++; isSpace(text.charCodeAt(at)); at++);
    if (text[at] === ':') count++;
  }
  return count;
}

const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);
