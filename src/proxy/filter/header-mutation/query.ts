/** Changes of the query of a request's path. */
import {
  KeyValueAppend_KeyValueAppendAction as Append,
  type KeyValueAppend,
  type KeyValueMutation,
} from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { byteString, type Findings } from '../../findings.ts';
import { compileValueFormat, type ValueFormat } from '../../route/header-mutation.ts';
import type { Exchange } from '../contract.ts';

interface QueryMutation {
  readonly key: string;
  /** Undefined where it is removed. */
  readonly value: ValueFormat | undefined;
  readonly action: Append;
}

/** Undefined where there are none. */
export function readQueryMutations(
  mutations: readonly KeyValueMutation[],
  at: string,
  findings: Findings,
): QueryMutations | undefined {
  if (mutations.length === 0) return undefined;
  return new QueryMutations(mutations.map((mutation, i) => readMutation(mutation, `${at}[${i}]`, findings)));
}

function readMutation({ append, remove }: KeyValueMutation, at: string, findings: Findings): QueryMutation {
  if (append !== undefined && remove !== '') findings.error(at, 'has both append and remove');
  if (append === undefined && remove === '') findings.error(at, 'has neither append nor remove');
  if (append === undefined)
    return { key: byteString(remove), value: undefined, action: Append.APPEND_IF_EXISTS_OR_ADD };
  return readAppend(append, `${at}.append`, findings);
}

function readAppend(
  { record, entry, action }: KeyValueAppend,
  at: string,
  findings: Findings,
): QueryMutation {
  findings.refuse(`${at}.entry`, entry !== undefined);
  if (record === undefined) findings.error(`${at}.record`, 'is missing');
  else if (record.key === '') findings.error(`${at}.record.key`, 'is missing');
  const kind = record?.value?.kind;
  if (record !== undefined && kind?.case !== 'stringValue')
    findings.error(`${at}.record.value`, 'must be a text');
  const text = kind?.case === 'stringValue' ? kind.value : '';
  return {
    key: byteString(record?.key ?? ''),
    value: compileValueFormat(text, `${at}.record.value`, findings),
    action,
  };
}

export class QueryMutations {
  readonly #mutations: readonly QueryMutation[];

  constructor(mutations: readonly QueryMutation[]) {
    this.#mutations = mutations;
  }

  apply(exchange: Exchange): void {
    const question = exchange.path.indexOf('?');
    const bare = question === -1 ? exchange.path : exchange.path.slice(0, question);
    const parameters = question === -1 ? new Map() : parse(exchange.path.slice(question + 1));
    for (const { key, value, action } of this.#mutations) {
      if (value === undefined) parameters.delete(key);
      else change(parameters, key, encode(value(exchange)), action);
    }
    exchange.path = bare + write(parameters);
  }
}

type Parameters = Map<string, string[]>;

function change(parameters: Parameters, key: string, value: string, action: Append): void {
  const before = parameters.get(key);
  if (action === Append.ADD_IF_ABSENT && before !== undefined) return;
  if (action === Append.OVERWRITE_IF_EXISTS && before === undefined) return;
  if (action === Append.APPEND_IF_EXISTS_OR_ADD && before !== undefined) before.push(value);
  else parameters.set(key, [value]);
}

function parse(query: string): Parameters {
  const parameters: Parameters = new Map();
  for (const part of query.split('&')) {
    const equals = part.indexOf('=');
    const key = equals === -1 ? part : part.slice(0, equals);
    const value = equals === -1 ? '' : part.slice(equals + 1);
    change(parameters, decode(key), decode(value), Append.APPEND_IF_EXISTS_OR_ADD);
  }
  return parameters;
}

/** In the order of their names, as Envoy writes them. */
function write(parameters: Parameters): string {
  const pairs = [...parameters]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .flatMap(([key, values]) => values.map((value) => `${key}=${value}`));
  return pairs.length === 0 ? '' : `?${pairs.join('&')}`;
}

function decode(text: string): string {
  return text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

/** Of a byte string, all but what never needs it (RFC 3986 §2.3). */
function encode(text: string): string {
  return text.replace(
    /[^A-Za-z0-9\-._~]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
  );
}
