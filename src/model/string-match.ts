/** Istio's `StringMatch`: exactly one of exact, prefix, regex. */
import { compileRegex } from '#core/regex.ts';
import type { Decoder } from './decode/decoder.ts';
import { atMostOneOf, object, optional } from './decode/object.ts';
import { text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';

export interface StringMatch {
  readonly exact?: string;
  readonly prefix?: string;
  /** RE2 syntax; must match the whole value. */
  readonly regex?: string;
}

/** RE2 as Envoy uses it; what it refuses is refused here, with the place. */
export const regex: Decoder<string> = refined(
  text,
  (decoded, path, report) => {
    const compiled = compileRegex(decoded);
    return compiled.ok ? decoded : report.error(path, `not a regular expression of RE2: ${compiled.reason}`);
  },
  { format: 'regular expression' },
);

const fields = {
  exact: optional(text, 'The whole value.'),
  prefix: optional(text, 'How it begins.'),
  regex: optional(regex, 'Of RE2, for the whole value.'),
} as const;
const names = Object.keys(fields);

export const stringMatch: Decoder<StringMatch> = object(fields, (value, path, report) =>
  atMostOneOf(value, names, 'one is needed', path, report),
);

/** For headers and query parameters: an empty match asks for presence. */
export const stringMatchOrPresence: Decoder<StringMatch> = object(fields, (value, path, report) =>
  atMostOneOf(value, names, 'none is fine', path, report),
);
