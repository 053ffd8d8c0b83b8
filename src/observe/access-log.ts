/**
 * Access-log lines: a format is compiled once to a function from a finished request to its line.
 * Lines are byte strings (one character a byte), as header values are.
 */
import type { Parsed, Problem } from '#core/problem.ts';
import { compileOperator, type Operator } from './access-operator.ts';
import type { AccessRecord } from './access-record.ts';
import { parseFormat } from './format-string.ts';

/** What a line looks like. `json` is a template: texts in it are format strings. */
export type AccessLogFormat =
  | { readonly kind: 'text'; readonly text: string; readonly omitEmptyValues?: boolean }
  | { readonly kind: 'json'; readonly template: JsonTemplate; readonly omitEmptyValues?: boolean };

export type JsonTemplate = { readonly [key: string]: JsonTemplateValue };
export type JsonTemplateValue =
  | string
  | number
  | boolean
  | null
  | JsonTemplate
  | readonly JsonTemplateValue[];

/** The line of one request, with its line feed. */
export type FormatLine = (record: AccessRecord) => string;

/** Envoy's format where none is configured. */
export const envoyTextFormat: string =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" ' +
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%"\n';

/** Istio's (`meshConfig.accessLogFormat` empty, encoding TEXT). */
export const istioTextFormat: string =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" ' +
  '%RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% ' +
  '"%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" ' +
  '"%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" "%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% ' +
  '%UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ' +
  '%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n';

export function compileAccessLog(format: AccessLogFormat): Parsed<FormatLine> {
  const problems: Problem[] = [];
  const omitEmpty = format.omitEmptyValues === true;
  if (format.kind === 'text') {
    const line = compileText(format.text, omitEmpty ? '' : '-', '', problems);
    return problems.length > 0 ? { ok: false, problems } : { ok: true, value: line, problems };
  }
  const value = compileJson(format.template, omitEmpty, '', problems);
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, value: (record) => `${value(record) ?? '{}'}\n`, problems };
}

/** @param absent what stands for a value that is not there. */
function compileText(text: string, absent: string, path: string, problems: Problem[]): FormatLine {
  const parts = compileParts(text, path, problems);
  const literals: string[] = [''];
  const operators: Operator[] = [];
  for (const part of parts) {
    if (typeof part === 'string') literals[literals.length - 1] += bytesOf(part);
    else {
      operators.push(part);
      literals.push('');
    }
  }
  return (record) => {
    let line = literals[0]!;
    for (let i = 0; i < operators.length; i++) line += (operators[i]!(record) ?? absent) + literals[i + 1]!;
    return line;
  };
}

/** JSON text of one value of the template; undefined where it is left out. */
type JsonPart = (record: AccessRecord) => string | undefined;

function compileJson(
  value: JsonTemplateValue,
  omitEmpty: boolean,
  path: string,
  problems: Problem[],
): JsonPart {
  if (typeof value === 'string') return compileJsonText(value, omitEmpty, path, problems);
  if (value === null || typeof value !== 'object') {
    const text = JSON.stringify(value);
    return () => text;
  }
  if (Array.isArray(value)) {
    const items = value.map((item, i) => compileJson(item, omitEmpty, `${path}[${i}]`, problems));
    return (record) => `[${items.map((item) => item(record) ?? 'null').join(',')}]`;
  }
  // In the order of their names, whatever order they were written in.
  const members = Object.entries(value)
    .sort(([a], [b]) => (bytesOf(a) < bytesOf(b) ? -1 : 1))
    .map(([key, inner]): [string, JsonPart] => [
      bytesOf(`${JSON.stringify(key)}:`),
      compileJson(inner, omitEmpty, path === '' ? key : `${path}.${key}`, problems),
    ]);
  return (record) => {
    let text = '';
    for (const [key, member] of members) {
      const inner = member(record);
      if (inner !== undefined) text += text === '' ? key + inner : `,${key}${inner}`;
    }
    return omitEmpty && text === '' ? undefined : `{${text}}`;
  };
}

/** A single operator keeps its type; anything else is a text. */
function compileJsonText(text: string, omitEmpty: boolean, path: string, problems: Problem[]): JsonPart {
  const parts = compileParts(text, path, []);
  const only = parts.length === 1 ? parts[0] : undefined;
  if (typeof only === 'function') {
    const absent = omitEmpty ? undefined : 'null';
    const read = only.typed ?? only;
    return (record) => {
      const found = read(record);
      if (found === undefined) return absent;
      return typeof found === 'number' ? String(found) : JSON.stringify(found);
    };
  }
  const format = compileText(text, omitEmpty ? '' : '-', path, problems);
  return (record) => JSON.stringify(format(record));
}

function compileParts(text: string, path: string, problems: Problem[]): (string | Operator)[] {
  const at = path === '' ? {} : { path };
  const parsed = parseFormat(text);
  problems.push(...parsed.problems.map((problem) => ({ ...problem, ...at })));
  if (!parsed.ok) return [];
  const parts: (string | Operator)[] = [];
  for (const part of parsed.value) {
    if (typeof part === 'string') {
      parts.push(part);
      continue;
    }
    const operator = compileOperator(part);
    if (operator.ok) parts.push(operator.value);
    else problems.push(...operator.problems.map((problem) => ({ ...problem, ...at })));
  }
  return parts;
}

/** UTF-8 as one character a byte. */
function bytesOf(text: string): string {
  let bytes = '';
  for (const byte of new TextEncoder().encode(text)) bytes += String.fromCharCode(byte);
  return bytes;
}
