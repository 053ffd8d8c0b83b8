/**
 * What an unquoted YAML scalar means: YAML 1.2.2 §10.3.2 (core schema). Differs in one thing: `0400` is octal, as
 * the readers of Kubernetes and Envoy have it (YAML 1.1), for file modes are written so.
 */

const nulls: ReadonlySet<string> = new Set(['', '~', 'null', 'Null', 'NULL']);
const booleans: ReadonlyMap<string, boolean> = new Map([
  ['true', true],
  ['True', true],
  ['TRUE', true],
  ['false', false],
  ['False', false],
  ['FALSE', false],
]);
const decimal = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const infinity = /^([-+])?\.(?:inf|Inf|INF)$/;

export function resolvePlain(text: string): string | number | boolean | null {
  if (nulls.has(text)) return null;
  const boolean = booleans.get(text);
  if (boolean !== undefined) return boolean;
  const octal = /^([-+]?)0([0-7]+)$/.exec(text);
  if (octal !== null) return Number(`${octal[1]}${Number.parseInt(octal[2]!, 8)}`);
  if (decimal.test(text)) return Number(text);
  if (/^0o[0-7]+$/.test(text) || /^0x[0-9a-fA-F]+$/.test(text)) return Number(text);
  const infinite = infinity.exec(text);
  if (infinite !== null) return infinite[1] === '-' ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
  if (text === '.nan' || text === '.NaN' || text === '.NAN') return Number.NaN;
  return text;
}
