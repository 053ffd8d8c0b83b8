/** What permissions and principals have in common, compiled to functions. */
import { type IpBytes, inRange, parseRange } from '#core/ip-address.ts';
import type { CidrRange } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import {
  MetadataSource,
  type Permission,
  type SourcedMetadata,
} from '#xds/gen/envoy/config/rbac/v3/rbac_pb.js';
import type { HeaderMatcher } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { MetadataMatcher } from '#xds/gen/envoy/type/matcher/v3/metadata_pb.js';
import type { PathMatcher } from '#xds/gen/envoy/type/matcher/v3/path_pb.js';
import type { Findings } from '../../findings.ts';
import { compileHeaderMatch, textMatcher } from '../../route/header-match.ts';
import { compileMetadataMatch } from './metadata-match.ts';
import type { RbacSubject } from './subject.ts';

export type Condition = (subject: RbacSubject) => boolean;

/** What rules may speak of. */
export interface ConditionContext {
  /** Whether there are requests to judge, and not connections. */
  readonly http: boolean;
  readonly findings: Findings;
}

export const never: Condition = () => false;

/** Of all, or of any. @param rules a rule each, which their reader has compiled */
export function compileSet(rules: readonly Condition[], every: boolean): Condition {
  return every
    ? (subject) => rules.every((rule) => rule(subject))
    : (subject) => rules.some((rule) => rule(subject));
}

/** Compiles one rule of a kind, and those within it. */
type Compile<Rule> = (rule: Rule, at: string, context: ConditionContext) => Condition;

/** @param rules and where they stand; there must be one */
export function compileRules<Rule>(
  rules: readonly Rule[],
  at: string,
  context: ConditionContext,
  every: boolean,
  compile: Compile<Rule>,
): Condition {
  if (rules.length === 0) context.findings.error(at, 'is missing');
  return compileSet(
    rules.map((one, i) => compile(one, `${at}[${i}]`, context)),
    every,
  );
}

export function not(matches: Condition): Condition {
  return (subject) => !matches(subject);
}

/** The rules that permissions and principals both have. */
type CommonRule = Extract<
  Permission['rule'],
  { case: 'any' | 'header' | 'urlPath' | 'metadata' | 'sourcedMetadata' }
>;

/** @param at of the permission or principal */
export function compileCommon(rule: CommonRule, at: string, context: ConditionContext): Condition {
  switch (rule.case) {
    case 'any':
      return compileAny(rule.value, `${at}.any`, context);
    case 'header':
      return compileHeader(rule.value, `${at}.header`, context);
    case 'urlPath':
      return compileUrlPath(rule.value, `${at}.url_path`, context);
    case 'metadata':
      return compileMetadata(rule.value, `${at}.metadata`, context);
    case 'sourcedMetadata':
      return compileSourcedMetadata(rule.value, `${at}.sourced_metadata`, context);
  }
}

function compileAny(value: boolean, at: string, { findings }: ConditionContext): Condition {
  if (!value) findings.error(at, 'must be true');
  return () => true;
}

function compileHeader(matcher: HeaderMatcher, at: string, context: ConditionContext): Condition {
  const { http, findings } = context;
  if (!http) findings.error(at, 'is not for connections: there are no headers');
  const matches = compileHeaderMatch(matcher, at, findings);
  return ({ request }) => request !== undefined && matches(request);
}

function compileUrlPath({ rule }: PathMatcher, at: string, context: ConditionContext): Condition {
  const { http, findings } = context;
  if (rule.case !== 'path') {
    findings.error(`${at}.path`, 'is missing');
    return never;
  }
  if (!http) findings.warn(at, 'never matches: connections have no path');
  const matches = textMatcher(rule.value, `${at}.path`, findings);
  return ({ request }) => request !== undefined && matches(pathOf(request.path));
}

/** Without query and fragment. */
export function pathOf(target: string): string {
  const end = target.search(/[?#]/);
  return end === -1 ? target : target.slice(0, end);
}

/** @param addressOf undefined where there is no IP address, which is in no range */
export function compileRange(
  range: CidrRange,
  at: string,
  { findings }: ConditionContext,
  addressOf: (subject: RbacSubject) => IpBytes | undefined,
): Condition {
  const parsed = parseRange(range.addressPrefix, range.prefixLen ?? 0);
  if (parsed === undefined) {
    findings.error(`${at}.address_prefix`, `"${range.addressPrefix}" is no IP address`);
    return never;
  }
  return (subject) => {
    const address = addressOf(subject);
    return address !== undefined && inRange(parsed, address);
  };
}

function compileMetadata(matcher: MetadataMatcher, at: string, { findings }: ConditionContext): Condition {
  const matches = compileMetadataMatch(matcher, at, findings);
  return ({ record }) => matches(record?.metadata);
}

function compileSourcedMetadata(
  { metadataMatcher, metadataSource }: SourcedMetadata,
  at: string,
  context: ConditionContext,
): Condition {
  const { findings } = context;
  const here = `${at}.metadata_matcher`;
  if (metadataMatcher === undefined) {
    findings.error(here, 'is missing');
    return never;
  }
  if (metadataSource === MetadataSource.DYNAMIC) return compileMetadata(metadataMatcher, here, context);
  if (metadataSource !== MetadataSource.ROUTE) findings.error(`${at}.metadata_source`, 'is not known');
  const matches = compileMetadataMatch(metadataMatcher, here, findings);
  return ({ routeMetadata }) => matches(routeMetadata?.filterMetadata);
}
