/** What is wrong with an update of an xDS stream, before anything of it is put in force. */
import type { Problem } from '#core/problem.ts';
import type { Logger } from '#observe/log.ts';
import { type ResourceKind, resourceTypes } from '#xds/resource-type.ts';
import type { UnknownField } from '#xds/unknown-fields.ts';
import type { UnknownFieldsSeen } from './unknown-fields-seen.ts';

/** What to do with fields a newer server sends. */
export type UnknownDynamicFields = 'warn' | 'reject' | 'ignore';

export interface UnknownFieldsDeps {
  readonly unknownFields: UnknownDynamicFields;
  readonly unknownFieldsSeen: UnknownFieldsSeen;
  readonly log: Logger;
}

/** Names that stand more than once: neither of two is what is meant. */
export function repeated(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>();
  return new Set(names.filter((name) => seen.size === seen.add(name).size));
}

export const duplicate: Problem = { level: 'error', message: 'the name stands twice in one response' };

export function isGood(problems: readonly Problem[]): boolean {
  return problems.every(({ level }) => level !== 'error');
}

export function unknownProblems(
  { unknownFields, unknownFieldsSeen, log }: UnknownFieldsDeps,
  kind: ResourceKind,
  name: string,
  fields: readonly UnknownField[],
): Problem[] {
  if (unknownFields === 'ignore') return [];
  const { service } = resourceTypes[kind];
  return fields.map((field): Problem => {
    const { path, type } = field;
    const isFirst = unknownFields !== 'reject' && unknownFieldsSeen.note(field);
    if (isFirst) log.warn('xds.unknown-field', { service, name, path, type });
    const level = unknownFields === 'reject' ? 'error' : 'warning';
    return { level, path, message: `this version does not know this part of ${type}` };
  });
}
