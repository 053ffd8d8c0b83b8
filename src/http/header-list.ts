/**
 * A list of header fields: name, value, name, value, in the order of the wire. Names are lower case,
 * values are byte strings (one character a byte). Lists are short, so that a walk beats a map.
 */
export type HeaderList = string[];

/** Of a message without trailers; nobody adds to it. */
export const noTrailers: HeaderList = [];

/** The first value of `name`; undefined where there is none. */
export function headerOf(list: readonly string[], name: string): string | undefined {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return list[i + 1];
  return undefined;
}

/** All values of `name`, joined with a comma (RFC 9110 §5.3); undefined where there is none. */
export function joinedHeaderOf(list: readonly string[], name: string): string | undefined {
  let joined: string | undefined;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) joined = joined === undefined ? list[i + 1]! : `${joined},${list[i + 1]!}`;
  }
  return joined;
}

export function hasHeader(list: readonly string[], name: string): boolean {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
  return false;
}

/** Puts `value` in the place of the first field of that name and drops the others; appends where there is none. */
export function setHeader(list: HeaderList, name: string, value: string): void {
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] !== name) continue;
    list[i + 1] = value;
    removeFrom(list, name, i + 2);
    return;
  }
  list.push(name, value);
}

/** Appends a field, next to others of the same name. */
export function addHeader(list: HeaderList, name: string, value: string): void {
  list.push(name, value);
}

/** @returns whether there was one. */
export function removeHeader(list: HeaderList, name: string): boolean {
  return removeFrom(list, name, 0);
}

function removeFrom(list: HeaderList, name: string, from: number): boolean {
  let to = from;
  for (let i = from; i < list.length; i += 2) {
    if (list[i] === name) continue;
    if (to !== i) {
      list[to] = list[i]!;
      list[to + 1] = list[i + 1]!;
    }
    to += 2;
  }
  if (to === list.length) return false;
  list.length = to;
  return true;
}

/** Keeps the fields whose name `keep` accepts. */
export function filterHeaders(list: HeaderList, keep: (name: string) => boolean): void {
  let to = 0;
  for (let i = 0; i < list.length; i += 2) {
    if (!keep(list[i]!)) continue;
    list[to] = list[i]!;
    list[to + 1] = list[i + 1]!;
    to += 2;
  }
  list.length = to;
}

/** A copy without the fields that HTTP/1 changes protocol by; HTTP/2 has none (RFC 8441 §5). */
export function withoutUpgrade(list: readonly string[]): HeaderList {
  const copy = [...list];
  filterHeaders(copy, (name) => name !== 'connection' && name !== 'upgrade');
  return copy;
}
