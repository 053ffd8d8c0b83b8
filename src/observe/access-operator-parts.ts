/** What operators of an access log are made of. */
import type { Parsed } from '#core/problem.ts';
import type { AccessRecord, MetadataValue } from './access-record.ts';

/** What an operator finds; undefined is shown as `-` in a text and `null` in JSON. */
export interface Operator {
  (record: AccessRecord): string | number | undefined;
  /** The same for JSON, where that is more than a text or a number. */
  readonly typed?: (record: AccessRecord) => MetadataValue | undefined;
}

export const orNothing = (text: string): string | undefined => (text === '' ? undefined : text);

/** Without the port, and IPv6 without its brackets; a path as it is. */
export function hostOf(address: string): string | undefined {
  const host = /^(?:\[(.*)\]|([^/:]*)):\d+$/.exec(address);
  return orNothing(host === null ? address : (host[1] ?? host[2]!));
}

export function goodOperator(value: Operator): Parsed<Operator> {
  return { ok: true, value, problems: [] };
}

export function badOperator(message: string): Parsed<Operator> {
  return { ok: false, problems: [{ level: 'error', message }] };
}
