/** `http[].match[]` of a VirtualService: conditions that must all hold. */
import { type CallerMatch, callerMatchFields } from './caller-match.ts';
import { list, mapOf } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, object, optional } from './decode/object.ts';
import { boolean, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { headerName } from './header-operations.ts';
import { type StringMatch, stringMatch, stringMatchOrPresence } from './string-match.ts';

export interface HttpMatch extends CallerMatch {
  readonly name?: string;
  readonly uri?: StringMatch;
  /** For `uri.exact` and `uri.prefix`. */
  readonly ignoreUriCase: boolean;
  readonly scheme?: StringMatch;
  readonly method?: StringMatch;
  readonly authority?: StringMatch;
  /** By lower-case name; an empty match asks for presence. */
  readonly headers: Readonly<Record<string, StringMatch>>;
  /** As `headers`; none of these may match. */
  readonly withoutHeaders: Readonly<Record<string, StringMatch>>;
  readonly queryParams: Readonly<Record<string, StringMatch>>;
  /** Replaces the VirtualService's own list. */
  readonly gateways?: readonly string[];
  /** Requests of this match are counted under it. */
  readonly statPrefix?: string;
}

/** Words that Istio leaves out of `headers`: they have fields of their own. */
export const ignoredHeaderNames: readonly string[] = ['uri', 'scheme', 'method', 'authority'];

const pseudoHeaders: readonly string[] = [':authority', ':method', ':path', ':scheme'];
const claims = /^@request\.auth\.claims[.[]/;

const matchedName: Decoder<string> = refined(text, (decoded, path, report) => {
  if (pseudoHeaders.includes(decoded)) return decoded;
  if (!claims.test(decoded)) return headerName(decoded, path, report);
  report.unsupported(path, 'closes', 'a condition on claims of a token');
  return undefined;
});

const headerMatches: Decoder<Readonly<Record<string, StringMatch>>> = refined(
  mapOf(stringMatchOrPresence, matchedName),
  (decoded) =>
    Object.fromEntries(Object.entries(decoded).map(([name, match]) => [name.toLowerCase(), match])),
);

function checkMatch(
  match: Pick<HttpMatch, 'uri' | 'ignoreUriCase' | 'headers'>,
  path: Path,
  report: Report,
): void {
  if (match.ignoreUriCase && match.uri?.regex !== undefined) {
    report.warning([...path, 'ignoreUriCase'], 'has no effect on a regex', 'begin the regex with (?i)');
  }
  for (const name of Object.keys(match.headers).filter((name) => ignoredHeaderNames.includes(name))) {
    report.warning([...path, 'headers', name], 'is not a header and has no effect', `use the field ${name}`);
  }
}

export const httpMatch: Decoder<HttpMatch> = object(
  {
    name: optional(text, 'Behind that of the route, in access logs.'),
    uri: optional(stringMatch, 'The path, without the query.'),
    ignoreUriCase: defaulted(boolean, false, 'For `exact` and `prefix` of `uri`.'),
    scheme: optional(stringMatch, '`http` or `https`.'),
    method: optional(stringMatch, 'Such as `GET`.'),
    authority: optional(stringMatch, 'The host as the caller wrote it, with the port if it did.'),
    headers: defaulted(
      headerMatches,
      {},
      'By name, in any case; an empty condition asks for presence. `:path`, `:method`, `:authority` and `:scheme` are names, too.',
    ),
    withoutHeaders: defaulted(
      headerMatches,
      {},
      'None of these may hold; a header that is absent fulfils it.',
    ),
    queryParams: defaulted(
      mapOf(stringMatchOrPresence),
      {},
      'Parameters of the query, by name; an empty condition asks for presence.',
    ),
    ...callerMatchFields,
    gateways: optional(list(text), 'In place of those of the VirtualService.'),
    statPrefix: optional(text, 'Requests are counted under `vhost.<host>.route.<prefix>.*` of the proxy.'),
  },
  checkMatch,
);
