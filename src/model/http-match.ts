/** `http[].match[]` of a VirtualService: conditions that must all hold. */
import { list, mapOf } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, object, optional } from './decode/object.ts';
import { boolean, portNumber, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { headerName } from './header-operations.ts';
import { type Labels, labels } from './metadata.ts';
import { type StringMatch, stringMatch, stringMatchOrPresence } from './string-match.ts';

export interface HttpMatch {
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
  /** The port the caller addressed. */
  readonly port?: number;
  /** Labels of the caller's workload. */
  readonly sourceLabels: Labels;
  readonly sourceNamespace?: string;
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
    name: optional(text),
    uri: optional(stringMatch),
    ignoreUriCase: defaulted(boolean, false),
    scheme: optional(stringMatch),
    method: optional(stringMatch),
    authority: optional(stringMatch),
    headers: defaulted(headerMatches, {}),
    withoutHeaders: defaulted(headerMatches, {}),
    queryParams: defaulted(mapOf(stringMatchOrPresence), {}),
    port: optional(portNumber),
    sourceLabels: defaulted(labels, {}),
    sourceNamespace: optional(text),
    gateways: optional(list(text)),
    statPrefix: optional(text),
  },
  checkMatch,
);
