/** What a route makes of the path: `prefix_rewrite`, `regex_rewrite` and `path_rewrite_policy`, compiled. */
import type { AccessRecord } from '#observe/access-record.ts';
import type { RouteAction } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { UriTemplateRewriteConfigSchema } from '#xds/gen/envoy/extensions/path/rewrite/uri_template/v3/uri_template_rewrite_pb.js';
import type { RegexMatchAndSubstitute } from '#xds/gen/envoy/type/matcher/v3/regex_pb.js';
import { byteString, type Findings } from '../findings.ts';
import { compileValueFormat } from './header-mutation.ts';
import type { MatchedPath } from './path-match.ts';
import { compileSubstitution } from './substitution.ts';
import { compileUriRewrite, type UriTemplate } from './uri-template.ts';

/** @param path with its query, which stays */
export type PathRewrite = (path: string) => string;

/** The same, of what is known of the request; undefined where the path stays. */
export type FormattedPath = (path: string, record: AccessRecord) => string | undefined;

/** A path made of what a template found. */
export function compileTemplateRewrite(
  { pathRewritePolicy, prefixRewrite, regexRewrite }: RouteAction,
  template: UriTemplate | undefined,
  path: string,
  findings: Findings,
): PathRewrite | undefined {
  if (prefixRewrite !== '' || regexRewrite !== undefined)
    findings.error(path, 'has path_rewrite_policy beside prefix_rewrite or regex_rewrite');
  const at = `${path}.path_rewrite_policy`;
  const config = findings.unpack(
    `${at}.typed_config`,
    pathRewritePolicy?.typedConfig,
    UriTemplateRewriteConfigSchema,
  );
  if (config === undefined) return undefined;
  if (template === undefined) {
    findings.error(at, 'needs a path_match_policy with a template');
    return undefined;
  }
  const compiled = compileUriRewrite(config.pathTemplateRewrite, template.variables);
  if (!compiled.ok) {
    findings.error(`${at}.typed_config.path_template_rewrite`, compiled.reason);
    return undefined;
  }
  const parts = compiled.value;
  return (full) => {
    const question = full.indexOf('?');
    const query = question === -1 ? '' : full.slice(question);
    const plain = question === -1 ? full : full.slice(0, question);
    const made = template.rewrite(plain, parts);
    return made === undefined ? full : made + query;
  };
}

/** Undefined where the path stays. */
export function compilePathRewrite(
  prefixRewrite: string,
  regexRewrite: RegexMatchAndSubstitute | undefined,
  { prefix: matchedPrefix, template }: MatchedPath,
  path: string,
  findings: Findings,
): PathRewrite | undefined {
  if (regexRewrite !== undefined) {
    if (prefixRewrite !== '') findings.error(path, 'has both prefix_rewrite and regex_rewrite');
    const regex = compileSubstitution(regexRewrite, `${path}.regex_rewrite`, findings);
    if (regex === undefined) return undefined;
    const substitution = byteString(regexRewrite.substitution);
    return (full) => {
      const question = full.indexOf('?');
      if (question === -1) return regex.replaceAll(full, substitution);
      return regex.replaceAll(full.slice(0, question), substitution) + full.slice(question);
    };
  }
  if (prefixRewrite === '') return undefined;
  if (template !== undefined)
    findings.error(`${path}.prefix_rewrite`, 'cannot be used with path_match_policy');
  if (matchedPrefix === undefined) {
    // A regular expression matches the whole path, which is replaced but for the query.
    return (full) => {
      const question = full.indexOf('?');
      return question === -1 ? prefixRewrite : prefixRewrite + full.slice(question);
    };
  }
  const { length } = matchedPrefix;
  const rewrite = byteString(prefixRewrite);
  return (full) => rewrite + full.slice(length);
}

/** A path made of a format; the query stays. Undefined where the format makes nothing. */
export function compileFormattedPath(format: string, path: string, findings: Findings): FormattedPath {
  const value = compileValueFormat(format, path, findings);
  return (full, record) => {
    const made = value(record);
    if (made === '') return undefined;
    const question = full.indexOf('?');
    return question === -1 ? made : made + full.slice(question);
  };
}
