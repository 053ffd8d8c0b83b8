/** `stats_config` of a bootstrap: which figures are shown, and how. */
import type { TextMatcher } from '#core/matcher.ts';
import type { StatsView } from '#observe/stats-view.ts';
import type { Bootstrap } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import type { StatsMatcher } from '#xds/gen/envoy/config/metrics/v3/stats_pb.js';
import type { StringMatcher } from '#xds/gen/envoy/type/matcher/v3/string_pb.js';
import { Findings } from '../findings.ts';
import { textMatcher } from '../route/header-match.ts';
import type { Report } from './settings.ts';

/** Tags that metrics have here (Envoy, `well_known_names.h`). */
const defaultTags: ReadonlySet<string> = new Set([
  'envoy.cluster_name',
  'envoy.http_conn_manager_prefix',
  'envoy.listener_address',
  'envoy.response_code',
  'envoy.response_code_class',
  'envoy.tcp_prefix',
]);

export function readStatsView({ statsConfig }: Bootstrap, report: Report): StatsView {
  const findings = new Findings();
  const at = 'stats_config';
  // Envoy cuts tags out of names with regular expressions; here they are known where a metric is made.
  const fixedTags: [string, string][] = [];
  statsConfig?.statsTags.forEach(({ tagName, tagValue }, i) => {
    const path = `${at}.stats_tags[${i}]`;
    if (tagName === '') findings.error(`${path}.tag_name`, 'is missing');
    if (tagValue.case === 'fixedValue') {
      if (defaultTags.has(tagName))
        findings.error(`${path}.fixed_value`, 'is not supported for a default tag');
      else fixedTags.push([tagName, tagValue.value]);
    } else if (!defaultTags.has(tagName)) {
      findings.error(
        `${path}.tag_name`,
        'only the default tags of Envoy, and those with a fixed_value, are supported',
      );
    } else if (tagValue.case === 'regex') {
      findings.warn(`${path}.regex`, 'has no effect: the tag is always taken whole');
    }
  });
  if (statsConfig?.useAllDefaultTags === false)
    findings.warn(`${at}.use_all_default_tags`, 'has no effect: the default tags are always used');
  const shows = readMatcher(statsConfig?.statsMatcher, `${at}.stats_matcher`, findings);
  const buckets = (statsConfig?.histogramBucketSettings ?? []).map((settings, i) => {
    const path = `${at}.histogram_bucket_settings[${i}]`;
    findings.refuse(`${path}.bins`, settings.bins !== undefined);
    const bounds = [...new Set(settings.buckets)].sort((a, b) => a - b);
    if (bounds.length === 0) findings.error(`${path}.buckets`, 'needs at least one');
    if (bounds.some((bound) => !(bound > 0))) findings.error(`${path}.buckets`, 'must be greater than 0');
    return { matches: matcherOf(settings.match, `${path}.match`, findings), bounds };
  });
  for (const { path, message, level } of findings.problems) report(path ?? '', message, level);
  return { shows, buckets, fixedTags };
}

function matcherOf(matcher: StringMatcher | undefined, path: string, findings: Findings): TextMatcher {
  if (matcher !== undefined) return textMatcher(matcher, path, findings);
  findings.error(path, 'is missing');
  return () => false;
}

function readMatcher(
  matcher: StatsMatcher | undefined,
  path: string,
  findings: Findings,
): TextMatcher | undefined {
  const { case: kind, value } = matcher?.statsMatcher ?? {};
  if (kind === undefined) return undefined;
  if (kind === 'rejectAll') return value === true ? () => false : undefined;
  const isExclusion = kind === 'exclusionList';
  const at = `${path}.${isExclusion ? 'exclusion_list' : 'inclusion_list'}.patterns`;
  const { patterns } = value as { readonly patterns: readonly StringMatcher[] };
  if (patterns.length === 0) findings.error(at, 'needs at least one');
  const matchers = patterns.map((pattern, i) => textMatcher(pattern, `${at}[${i}]`, findings));
  return (name) => matchers.some((matches) => matches(name)) !== isExclusion;
}
