/** `*_headers_to_add` and `*_headers_to_remove`, compiled (Envoy, "Custom request/response headers"). */
import { addHeader, type HeaderList, hasHeader, removeHeader } from '#http/header-list.ts';
import { tokenCode } from '#http/header-name.ts';
import { compileOperator, type Operator } from '#observe/access-operator.ts';
import type { AccessRecord } from '#observe/access-record.ts';
import { parseFormat } from '#observe/format-string.ts';
import {
  HeaderValueOption_HeaderAppendAction as Append,
  type HeaderValueOption,
} from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { byteString, type Findings } from '../findings.ts';

/** Makes a value from what is known of the request; '' where an operator finds nothing. */
export type ValueFormat = (record: AccessRecord) => string;

/** One header to add or to set. */
export interface Addition {
  readonly name: string;
  readonly value: ValueFormat;
  readonly action: Append;
  readonly keepEmpty: boolean;
}

/** The mutations of one level: a route, a virtual host. */
export interface HeaderMutation {
  readonly remove: readonly string[];
  readonly add: readonly Addition[];
}

/** Undefined when there is nothing to do. */
export function compileMutation(
  add: readonly HeaderValueOption[],
  remove: readonly string[],
  path: string,
  kind: 'request' | 'response',
  findings: Findings,
): HeaderMutation | undefined {
  if (add.length === 0 && remove.length === 0) return undefined;
  const removed = remove.map((name, i) => {
    const lower = name.toLowerCase();
    if (!isName(lower) || lower === 'host') {
      findings.error(`${path}${kind}_headers_to_remove[${i}]`, `"${name}" cannot be removed`);
    }
    return lower;
  });
  const added = add.flatMap((option, i) => {
    const addition = compileAddition(option, `${path}${kind}_headers_to_add[${i}]`, kind, findings);
    return addition === undefined ? [] : [addition];
  });
  return { remove: removed, add: added };
}

/** Headers for a request of the proxy's own. Undefined when there are none. */
export function compileAdditions(
  options: readonly HeaderValueOption[],
  path: string,
  findings: Findings,
): HeaderMutation | undefined {
  if (options.length === 0) return undefined;
  const add = options.flatMap((option, i) => {
    const addition = compileAddition(option, `${path}[${i}]`, 'request', findings);
    return addition === undefined ? [] : [addition];
  });
  return { remove: [], add };
}

function compileAddition(
  option: HeaderValueOption,
  path: string,
  kind: 'request' | 'response',
  findings: Findings,
): Addition | undefined {
  const name = (option.header?.key ?? '').toLowerCase();
  if (name === 'host' && kind === 'request') {
    findings.error(`${path}.header.key`, 'host is changed by host_rewrite_*, not by adding a header');
    return undefined;
  }
  if (!isName(name)) {
    findings.error(`${path}.header.key`, `"${name}" is not the name of a header`);
    return undefined;
  }
  return compileOption(option, path, findings);
}

/** Whatever its name. */
export function compileOption(option: HeaderValueOption, path: string, findings: Findings): Addition {
  const { header } = option;
  const raw = header?.rawValue;
  const text =
    raw !== undefined && raw.length > 0 ? new TextDecoder('latin1').decode(raw) : (header?.value ?? '');
  const value = compileValueFormat(text, `${path}.header.value`, findings);
  let action = option.appendAction;
  if (option.append !== undefined)
    action = option.append ? Append.APPEND_IF_EXISTS_OR_ADD : Append.OVERWRITE_IF_EXISTS_OR_ADD;
  return { name: (header?.key ?? '').toLowerCase(), value, action, keepEmpty: option.keepEmptyValue };
}

/** Of a header that is none of HTTP/2's own, lower case. */
export function isName(name: string): boolean {
  if (name === '') return false;
  for (let i = 0; i < name.length; i++) if ((tokenCode[name.charCodeAt(i)] ?? 0) === 0) return false;
  return true;
}

/** A text with operators such as `%DOWNSTREAM_REMOTE_ADDRESS%`. @param missing what stands where one finds nothing */
export function compileValueFormat(
  text: string,
  path: string,
  findings: Findings,
  missing = '',
): ValueFormat {
  const parsed = parseFormat(text);
  if (!parsed.ok) {
    for (const problem of parsed.problems) findings.error(path, problem.message);
    return () => '';
  }
  const parts: (string | Operator)[] = [];
  for (const part of parsed.value) {
    if (typeof part === 'string') {
      // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not be there
      if (/[\0-\x08\x0a-\x1f\x7f]/.test(part)) findings.error(path, 'holds a control character');
      parts.push(byteString(part));
      continue;
    }
    const operator = compileOperator(part);
    if (operator.ok) parts.push(operator.value);
    else for (const problem of operator.problems) findings.error(path, problem.message);
  }
  if (parts.every((part) => typeof part === 'string')) {
    const constant = parts.join('');
    return () => constant;
  }
  return (record) => {
    let out = '';
    for (const part of parts) out += typeof part === 'string' ? part : (part(record) ?? missing);
    return out;
  };
}

/** Removes first, then adds, level by level. */
export function mutate(list: HeaderList, levels: readonly HeaderMutation[], record: AccessRecord): void {
  for (const { remove, add } of levels) {
    for (const name of remove) removeHeader(list, name);
    // What overwrites comes before what is added, as in Envoy.
    for (const addition of add) if (overwrites(addition)) applyAddition(list, addition, record);
    for (const addition of add) if (!overwrites(addition)) applyAddition(list, addition, record);
  }
}

function overwrites({ action }: Addition): boolean {
  return action === Append.OVERWRITE_IF_EXISTS_OR_ADD || action === Append.OVERWRITE_IF_EXISTS;
}

export function applyAddition(list: HeaderList, addition: Addition, record: AccessRecord): void {
  const { name, value, action, keepEmpty } = addition;
  if (action === Append.ADD_IF_ABSENT && hasHeader(list, name)) return;
  if (action === Append.OVERWRITE_IF_EXISTS && !hasHeader(list, name)) return;
  const text = value(record);
  if (text === '' && !keepEmpty) return;
  if (overwrites(addition)) removeHeader(list, name);
  addHeader(list, name, text);
}
