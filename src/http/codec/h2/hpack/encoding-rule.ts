/** How the fields of a name are coded: its place in the static table, and whether its value is worth a place in the dynamic one. */
import { staticNames, staticValues } from './static-table.ts';

export const rule = {
  /** The value comes again: indexed. */
  repeats: 0,
  /** The value seldom comes twice: it would only push out others. Just the name is indexed. */
  changes: 1,
  /** A secret that could be guessed byte by byte from sizes: never indexed, by anyone (RFC 7541 §7.1.3). */
  secret: 2,
  /** As a secret while it is short enough to be guessed, else as what comes again. */
  cookie: 3,
} as const;

/**
 * Names by what their values do. Where HPACK of Envoy (nghttp2) has a rule it is the same one; the rest
 * it would index. Not among them: `date`, which is the same for all messages of a second.
 */
const changing: readonly string[] = [
  ':path',
  'age',
  'content-length',
  'etag',
  'if-modified-since',
  'if-none-match',
  'location',
  'set-cookie',
  // Different in every request, or nearly.
  'b3',
  'content-range',
  'grpc-timeout',
  'last-modified',
  'range',
  'traceparent',
  'tracestate',
  'x-amzn-trace-id',
  'x-b3-parentspanid',
  'x-b3-spanid',
  'x-b3-traceid',
  'x-client-trace-id',
  'x-cloud-trace-context',
  'x-datadog-parent-id',
  'x-datadog-trace-id',
  'x-envoy-original-path',
  'x-envoy-upstream-service-time',
  'x-ot-span-context',
  'x-request-id',
];

const secret: readonly string[] = ['authorization', 'proxy-authorization'];

/** A name's hash: few of its characters, as names are found by comparing them after all. */
export function hashOfName(name: string): number {
  const { length } = name;
  let hash = Math.imul(length, 0x9e3779b1) ^ name.charCodeAt(0);
  hash = Math.imul(hash, 31) + name.charCodeAt(length >> 1);
  hash = Math.imul(hash, 31) + name.charCodeAt(length - 1);
  hash = Math.imul(hash, 31) + name.charCodeAt((length * 3) >> 2);
  return hash ^ (hash >>> 15);
}

const SLOTS = 256;
const names: string[] = new Array<string>(SLOTS).fill('');
const rules: Uint8Array = new Uint8Array(SLOTS);
const indexes: Uint8Array = new Uint8Array(SLOTS);
const values: string[] = new Array<string>(SLOTS).fill('');

/** The slot of a name with a rule or a place in the static table, -1 for any other: its values are taken to come again. */
export function findRule(name: string, hash: number): number {
  let slot = hash & (SLOTS - 1);
  for (let there = names[slot]!; there !== ''; there = names[slot]!) {
    if (there === name) return slot;
    slot = (slot + 1) & (SLOTS - 1);
  }
  return -1;
}

export function ruleAt(slot: number): number {
  return rules[slot]!;
}

/** Position of the name in the static table, 0 for none. */
export function staticIndexAt(slot: number): number {
  return indexes[slot]!;
}

/** The value that the name has at that position. */
export function staticValueAt(slot: number): string {
  return values[slot]!;
}

function enter(name: string): number {
  const hash = hashOfName(name);
  const found = findRule(name, hash);
  if (found !== -1) return found;
  let slot = hash & (SLOTS - 1);
  while (names[slot] !== '') slot = (slot + 1) & (SLOTS - 1);
  names[slot] = name;
  return slot;
}

for (let index = staticNames.length - 1; index > 0; index--) {
  const slot = enter(staticNames[index]!);
  indexes[slot] = index;
  values[slot] = staticValues[index]!;
}
for (const name of changing) rules[enter(name)] = rule.changes;
for (const name of secret) rules[enter(name)] = rule.secret;
rules[enter('cookie')] = rule.cookie;
