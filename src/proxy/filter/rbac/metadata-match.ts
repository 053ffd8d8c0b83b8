/** `MetadataMatcher` and `ValueMatcher`, compiled to functions. */
import type { MetadataMatcher } from '#xds/gen/envoy/type/matcher/v3/metadata_pb.js';
import type { ValueMatcher } from '#xds/gen/envoy/type/matcher/v3/value_pb.js';
import type { Findings } from '../../findings.ts';
import { textMatcher } from '../../route/header-match.ts';
import type { MetadataValue } from '../contract.ts';

/** Values by their filter and their names. */
export type MetadataTree = Readonly<Record<string, Readonly<Record<string, MetadataValue>>>>;
export type MetadataMatch = (metadata: MetadataTree | undefined) => boolean;

/** @param value undefined where the path leads nowhere */
type ValueMatch = (value: MetadataValue | undefined) => boolean;

const never = (): false => false;

export function compileMetadataMatch(
  matcher: MetadataMatcher,
  at: string,
  findings: Findings,
): MetadataMatch {
  const { filter, invert } = matcher;
  if (filter === '') findings.error(`${at}.filter`, 'is missing');
  if (matcher.path.length === 0) findings.error(`${at}.path`, 'is missing');
  const keys = matcher.path.map(({ segment }, i) => {
    if (segment.case === 'key' && segment.value !== '') return segment.value;
    findings.error(`${at}.path[${i}].key`, 'is missing');
    return '';
  });
  const matches = compileValueMatch(matcher.value, `${at}.value`, findings);
  return (metadata) => matches(valueAt(metadata?.[filter], keys)) !== invert;
}

function valueAt(from: MetadataValue | undefined, keys: readonly string[]): MetadataValue | undefined {
  let value = from;
  for (const key of keys) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined;
    const fields = value as { readonly [key: string]: MetadataValue };
    if (!Object.hasOwn(fields, key)) return undefined;
    value = fields[key];
  }
  return value;
}

function compileValueMatch(matcher: ValueMatcher | undefined, at: string, findings: Findings): ValueMatch {
  const pattern = matcher?.matchPattern;
  switch (pattern?.case) {
    case 'nullMatch':
      return (value) => value === null;
    case 'boolMatch':
      return (value) => value === pattern.value;
    case 'presentMatch':
      return (value) => value !== undefined && pattern.value;
    case 'stringMatch': {
      const matches = textMatcher(pattern.value, `${at}.string_match`, findings);
      return (value) => typeof value === 'string' && matches(value);
    }
    case 'doubleMatch': {
      const { matchPattern: number } = pattern.value;
      if (number.case === 'exact') return (value) => value === number.value;
      if (number.case === 'range') {
        const { start, end } = number.value;
        return (value) => typeof value === 'number' && value >= start && value < end;
      }
      findings.error(`${at}.double_match`, 'has neither range nor exact');
      return never;
    }
    case 'listMatch': {
      const { matchPattern: list } = pattern.value;
      const one = list.case === 'oneOf' ? list.value : undefined;
      const matches = compileValueMatch(one, `${at}.list_match.one_of`, findings);
      return (value) => Array.isArray(value) && value.some(matches);
    }
    case 'orMatch': {
      const { valueMatchers } = pattern.value;
      if (valueMatchers.length < 2)
        findings.error(`${at}.or_match.value_matchers`, 'needs at least two matchers');
      const all = valueMatchers.map((one, i) =>
        compileValueMatch(one, `${at}.or_match.value_matchers[${i}]`, findings),
      );
      return (value) => all.some((matches) => matches(value));
    }
    default:
      findings.error(at, 'says nothing');
      return never;
  }
}
