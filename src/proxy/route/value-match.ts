/** Matchers of what filters know: `MetadataMatcher` and `FilterStateMatcher`, compiled to functions. */
import { inRange, parseIp, parseRange } from '#core/ip-address.ts';
import type { FilterMetadata, MetadataValue } from '#observe/access-record.ts';
import type { FilterStateMatcher } from '#xds/gen/envoy/type/matcher/v3/filter_state_pb.js';
import type { MetadataMatcher } from '#xds/gen/envoy/type/matcher/v3/metadata_pb.js';
import type { ValueMatcher } from '#xds/gen/envoy/type/matcher/v3/value_pb.js';
import type { Findings } from '../findings.ts';
import { textMatcher } from './header-match.ts';

/** What is known of a request besides itself. */
export interface Noted {
  metadata: FilterMetadata | undefined;
  /** As a text; undefined where there is none. */
  filterState?(key: string, plain: boolean): string | undefined;
}

export type NotedMatch = (noted: Noted) => boolean;

type ValueMatch = (value: MetadataValue | undefined) => boolean;

export function compileMetadataMatch(matcher: MetadataMatcher, path: string, findings: Findings): NotedMatch {
  if (matcher.filter === '') findings.error(`${path}.filter`, 'is missing');
  if (matcher.path.length === 0) findings.error(`${path}.path`, 'is missing');
  const keys = matcher.path.map(({ segment }, i) => {
    if (segment.case === undefined || segment.value === '')
      findings.error(`${path}.path[${i}].key`, 'is missing');
    return segment.value ?? '';
  });
  if (matcher.value === undefined) findings.error(`${path}.value`, 'is missing');
  const matches = matcher.value && compileValueMatch(matcher.value, `${path}.value`, findings);
  const { filter, invert } = matcher;
  return ({ metadata }) => {
    let value: MetadataValue | undefined = metadata?.[filter];
    for (const key of keys) value = isObject(value) ? value[key] : undefined;
    return (matches?.(value) ?? false) !== invert;
  };
}

function isObject(value: MetadataValue | undefined): value is { readonly [key: string]: MetadataValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function compileValueMatch(
  { matchPattern: pattern }: ValueMatcher,
  path: string,
  findings: Findings,
): ValueMatch {
  switch (pattern.case) {
    case 'nullMatch':
      return (value) => value === null;
    case 'doubleMatch': {
      const { matchPattern: number } = pattern.value;
      if (number.case === 'exact') return (value) => value === number.value;
      if (number.case === 'range') {
        const { start, end } = number.value;
        return (value) => typeof value === 'number' && start <= value && value < end;
      }
      findings.error(`${path}.double_match`, 'names neither a range nor a number');
      return () => false;
    }
    case 'stringMatch': {
      const matches = textMatcher(pattern.value, `${path}.string_match`, findings);
      return (value) => typeof value === 'string' && matches(value);
    }
    case 'boolMatch':
      return (value) => value === pattern.value;
    case 'presentMatch':
      // Absence is matched by inverting the whole (Envoy 1.40).
      return (value) => pattern.value && value !== undefined;
    case 'listMatch': {
      const { matchPattern: one } = pattern.value;
      if (one.case === undefined) {
        findings.error(`${path}.list_match.one_of`, 'is missing');
        return () => false;
      }
      const matches = compileValueMatch(one.value, `${path}.list_match.one_of`, findings);
      return (value) => Array.isArray(value) && value.some((item: MetadataValue) => matches(item));
    }
    case 'orMatch': {
      const at = `${path}.or_match.value_matchers`;
      if (pattern.value.valueMatchers.length < 2) findings.error(at, 'must have two or more');
      const any = pattern.value.valueMatchers.map((matcher, i) =>
        compileValueMatch(matcher, `${at}[${i}]`, findings),
      );
      return (value) => any.some((matches) => matches(value));
    }
    default:
      findings.error(path, 'names no pattern');
      return () => false;
  }
}

export function compileFilterStateMatch(
  { key, matcher }: FilterStateMatcher,
  path: string,
  findings: Findings,
): NotedMatch {
  if (key === '') findings.error(`${path}.key`, 'is missing');
  switch (matcher.case) {
    case 'stringMatch': {
      const matches = textMatcher(matcher.value, `${path}.string_match`, findings);
      return (noted) => {
        const text = noted.filterState?.(key, true);
        return text !== undefined && matches(text);
      };
    }
    case 'addressMatch': {
      const { ranges: messages, invertMatch } = matcher.value;
      const ranges = messages.flatMap(({ addressPrefix, prefixLen }, i) => {
        const range = parseRange(addressPrefix, prefixLen ?? 0);
        if (range !== undefined) return [range];
        findings.error(`${path}.address_match.ranges[${i}].address_prefix`, 'is not an IP address');
        return [];
      });
      return (noted) => {
        const text = noted.filterState?.(key, true);
        const address = text === undefined ? undefined : parseIp(withoutPort(text));
        return address !== undefined && ranges.some((range) => inRange(range, address)) !== invertMatch;
      };
    }
    default:
      findings.error(path, 'names no matcher');
      return () => false;
  }
}

/** `127.0.0.1` of `127.0.0.1:80`, `::1` of `[::1]:80`. */
function withoutPort(address: string): string {
  return address.replace(/^\[(.*)\](?::\d+)?$/, '$1').replace(/^([^:]*):\d+$/, '$1');
}
