/** The path specifiers of a `RouteMatch`, compiled. */
import { compileRegex } from '#core/regex.ts';
import type { RouteMatch } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { UriTemplateMatchConfigSchema } from '#xds/gen/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.js';
import type { Findings } from '../findings.ts';
import { anyPath, literalPrefixOf, type PathKey } from './route-index.ts';
import { compileUriTemplate, type UriTemplate } from './uri-template.ts';

/** What a rewrite of the path starts from. */
export interface MatchedPath {
  /** What `prefix_rewrite` replaces; undefined where the whole path is. */
  readonly prefix: string | undefined;
  /** Whose variables `path_rewrite_policy` may name. */
  readonly template?: UriTemplate;
}

interface PathMatch extends MatchedPath {
  readonly key: PathKey;
  /** @param path without query and fragment */
  readonly test: (request: { readonly method: string }, path: string) => boolean;
}

export function compilePath(match: RouteMatch, path: string, findings: Findings): PathMatch {
  const { pathSpecifier: specifier } = match;
  const caseMatters = match.caseSensitive ?? true;
  const of = (plain: string): string => (caseMatters ? plain : plain.toLowerCase());
  const notConnect =
    (test: (plain: string) => boolean) => (request: { readonly method: string }, plain: string) =>
      request.method !== 'CONNECT' && test(caseMatters ? plain : plain.toLowerCase());
  const keyOf = (kind: 'exact' | 'prefix', text: string): PathKey => ({ kind, text, caseMatters });
  switch (specifier.case) {
    case 'prefix': {
      const wanted = of(specifier.value);
      if (wanted === '' || wanted === '/')
        return { key: anyPath, prefix: specifier.value, test: (request) => request.method !== 'CONNECT' };
      return {
        key: keyOf('prefix', wanted),
        prefix: specifier.value,
        test: notConnect((plain) => plain.startsWith(wanted)),
      };
    }
    case 'path': {
      const wanted = of(specifier.value);
      return {
        key: keyOf('exact', wanted),
        prefix: specifier.value,
        test: notConnect((plain) => plain === wanted),
      };
    }
    case 'pathSeparatedPrefix': {
      const wanted = of(specifier.value);
      if (!/^[^?#]+[^?#/]$/.test(wanted)) {
        findings.error(
          `${path}.path_separated_prefix`,
          'must have two characters at least, no "?" and "#", and not end with "/"',
        );
      }
      return {
        key: keyOf('prefix', wanted),
        prefix: specifier.value,
        test: notConnect(
          (plain) =>
            plain.startsWith(wanted) && (plain.length === wanted.length || plain[wanted.length] === '/'),
        ),
      };
    }
    case 'safeRegex': {
      const compiled = compileRegex(specifier.value.regex);
      if (!compiled.ok) {
        findings.error(`${path}.safe_regex.regex`, compiled.reason);
        return { key: anyPath, prefix: undefined, test: () => false };
      }
      return {
        key: { kind: 'prefix', text: literalPrefixOf(specifier.value.regex), caseMatters: true },
        prefix: undefined,
        test: (request, plain) => request.method !== 'CONNECT' && compiled.regex.matches(plain),
      };
    }
    case 'connectMatcher':
      return { key: anyPath, prefix: undefined, test: (request) => request.method === 'CONNECT' };
    case 'pathMatchPolicy': {
      const at = `${path}.path_match_policy`;
      const config = findings.unpack(
        `${at}.typed_config`,
        specifier.value.typedConfig,
        UriTemplateMatchConfigSchema,
      );
      const compiled = config && compileUriTemplate(config.pathTemplate);
      if (compiled?.ok === false) findings.error(`${at}.typed_config.path_template`, compiled.reason);
      if (compiled?.ok !== true) return { key: anyPath, prefix: undefined, test: () => false };
      const template = compiled.value;
      return {
        key: { kind: 'prefix', text: template.literalPrefix, caseMatters: true },
        prefix: undefined,
        template,
        test: (request, plain) => request.method !== 'CONNECT' && template.matches(plain),
      };
    }
    default:
      findings.error(path, 'has no path specifier');
      return { key: anyPath, prefix: undefined, test: () => false };
  }
}
