/** How HTTP/1 writes the names of fields: lower case, `Like-This`, or as the sender of the message wrote them (Envoy, `header_key_format`). */
import type { HeaderList } from '../../header-list.ts';

/** Names as a message had them: lower case, as written, lower case, as written, … */
export type RawNames = readonly string[];

const MAX_KNOWN = 1024;
const known = new Map<string, string>();

/** A capital after the start and after whatever is no letter or digit (Envoy, `proper_case_words`). */
export function properCase(name: string): string {
  const before = known.get(name);
  if (before !== undefined) return before;
  const proper = name.replace(
    /(^|[^a-z0-9])([a-z])/g,
    (_, edge: string, letter: string) => edge + letter.toUpperCase(),
  );
  // Names come from peers, who may think of any number of them.
  if (known.size < MAX_KNOWN) known.set(name, proper);
  return proper;
}

/** @param raw of the message; a name that is not in it is written as `proper` says */
export function writtenName(name: string, raw: RawNames | undefined, proper: boolean): string {
  if (raw !== undefined) {
    for (let i = 0; i < raw.length; i += 2) if (raw[i] === name) return raw[i + 1]!;
  }
  return proper ? properCase(name) : name;
}

/** The field lines of `headers`. */
export function writeFields(headers: HeaderList, raw: RawNames | undefined, proper: boolean): string {
  let text = '';
  if (raw === undefined && !proper) {
    for (let i = 0; i < headers.length; i += 2) text += `${headers[i]!}: ${headers[i + 1]!}\r\n`;
    return text;
  }
  for (let i = 0; i < headers.length; i += 2) {
    text += `${writtenName(headers[i]!, raw, proper)}: ${headers[i + 1]!}\r\n`;
  }
  return text;
}
