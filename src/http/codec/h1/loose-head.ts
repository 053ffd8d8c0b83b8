/**
 * Heads that are not written as RFC 9112 has them and are taken all the same, as Envoy takes them:
 * lines that end in a bare LF, folded lines, more blanks than one, stray CRs. They are put into the
 * one strict form, which is then read as any other head, so that nobody after us sees the loose one.
 */
import { type Fault, faults } from './fault.ts';

export interface TidyHead {
  /** Start line and field lines, each with CR LF, without the empty line at the end. */
  readonly text: string;
  /** How many characters of the original the head takes, with its end. */
  readonly length: number;
}

/** What may stand nowhere in a head. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
const FORBIDDEN = /[\0-\x08\x0b\x0c\x0e-\x1f\x7f]/;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const TAB = 0x09;

/**
 * The head at the start of `text`; undefined where its end is not there.
 * @param isRequest a request line without a version is a whole head (HTTP/0.9)
 */
export function tidyHead(text: string, isRequest: boolean): TidyHead | Fault | undefined {
  const lineEnd = text.indexOf('\n');
  if (lineEnd === -1) return undefined;
  const start = tidyStart(text.slice(0, lineEnd));
  if (isRequest && start !== undefined && lacksVersion(start)) {
    return FORBIDDEN.test(start) ? faults.fieldValue : { text: `${start} HTTP/0.9\r\n`, length: lineEnd + 1 };
  }
  const fields = tidyFields(text, lineEnd + 1);
  if (fields === undefined) return undefined;
  if (!('text' in fields)) return fields;
  if (FORBIDDEN.test(text.slice(0, fields.length))) return faults.fieldValue;
  if (start === undefined) return isRequest ? faults.requestLine : faults.statusLine;
  return { text: `${start}\r\n${fields.text}`, length: fields.length };
}

/** Trailers, with their empty line. */
export function tidyTrailers(text: string): TidyHead | Fault {
  const fields = tidyFields(text, 0) ?? faults.truncated;
  return FORBIDDEN.test(text) ? faults.fieldValue : fields;
}

/** Whether a head that is not complete can never become one; undefined where it may. */
export function hopeless(text: string, isRequest: boolean): Fault | undefined {
  const first = text.charCodeAt(0);
  if (isRequest) return first > SPACE ? undefined : faults.requestLine;
  return text.startsWith('H') ? undefined : faults.statusLine;
}

function lacksVersion(start: string): boolean {
  const space = start.indexOf(' ');
  return space !== -1 && start.indexOf(' ', space + 1) === -1;
}

/** Three words with one blank between them; the last may hold blanks. */
function tidyStart(line: string): string | undefined {
  let end = line.length;
  while (end > 0 && line.charCodeAt(end - 1) <= SPACE) end--;
  const first = wordEnd(line, 0, end);
  const second = skipBlanks(line, first, end);
  if (first === 0 || second === end) return undefined;
  const secondEnd = wordEnd(line, second, end);
  const third = skipBlanks(line, secondEnd, end);
  const words = `${line.slice(0, first)} ${line.slice(second, secondEnd)}`;
  return third === end ? words : `${words} ${line.slice(third, end)}`;
}

function wordEnd(line: string, at: number, end: number): number {
  let pos = at;
  while (pos < end && line.charCodeAt(pos) > SPACE) pos++;
  return pos;
}

function skipBlanks(line: string, at: number, end: number): number {
  let pos = at;
  while (pos < end && line.charCodeAt(pos) <= SPACE) pos++;
  return pos;
}

/**
 * The field lines from `at` on to the empty line.
 * @returns a fault where they cannot be fields; undefined where the empty line is not there.
 */
function tidyFields(text: string, at: number): TidyHead | Fault | undefined {
  let tidy = '';
  let field = '';
  let pos = at;
  for (;;) {
    const lineEnd = text.indexOf('\n', pos);
    if (lineEnd === -1) return undefined;
    const line = text.slice(pos, lineEnd);
    const isLast = line === '' || line === '\r';
    const folds = !isLast && isBlank(line.charCodeAt(0));
    if (folds && field === '') return faults.fieldName;
    if (folds) field += `\n${line}`;
    else {
      const tidied = field === '' ? '' : tidyField(field);
      if (typeof tidied !== 'string') return tidied;
      tidy += tidied;
      field = line;
    }
    pos = lineEnd + 1;
    if (isLast) return { text: tidy, length: pos };
  }
}

/** One field on one line. A CR within what frames a message could mean another length to others. */
function tidyField(field: string): string | Fault {
  let end = field.length;
  while (end > 0 && isWhite(field.charCodeAt(end - 1))) end--;
  const trimmed = field.slice(0, end);
  const unfolded = trimmed.replace(/\r?\n/g, '');
  if (!unfolded.includes('\r')) return `${unfolded}\r\n`;
  // In a value Envoy leaves it out; in a name it would make another name.
  const colon = unfolded.indexOf(':');
  if (unfolded.slice(0, colon === -1 ? unfolded.length : colon).includes('\r')) return faults.fieldName;
  if (/^(?:transfer-encoding|content-length)[ \t]*:[ \t\r]*[^ \t\r].*\r/i.test(unfolded))
    return faults.fieldValue;
  return `${unfolded.replaceAll('\r', '')}\r\n`;
}

function isBlank(char: number): boolean {
  return char === SPACE || char === TAB;
}

function isWhite(char: number): boolean {
  return isBlank(char) || char === CR || char === LF;
}
