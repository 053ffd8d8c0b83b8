/** Istio's `Headers`: what to set, add and remove on a request and on its response. */
import { list, mapOf } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, object, optional } from './decode/object.ts';
import { text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';

export interface HeaderOperations {
  /** Replaces the header. */
  readonly set: Readonly<Record<string, string>>;
  /** Adds a value beside those that are there. */
  readonly add: Readonly<Record<string, string>>;
  readonly remove: readonly string[];
}

export interface Headers {
  readonly request?: HeaderOperations;
  readonly response?: HeaderOperations;
}

/** RFC 9110 §5.6.2 token, or one of the pseudo-headers that Envoy lets one set. */
const headerNamePattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

export const headerName: Decoder<string> = refined(text, (decoded, path, report) =>
  headerNamePattern.test(decoded)
    ? decoded
    : report.error(path, `${JSON.stringify(decoded)} is not a header name`),
);

/** Envoy fills these in, such as `%DOWNSTREAM_REMOTE_ADDRESS%` and `%REQ(x-a):10%`; `%%` is a percent sign. */
const formatOperator = /%%|%[A-Z_]+(?:\([^)]*\))?(?::[0-9]+)?%/g;

const headerValue: Decoder<string> = refined(text, (decoded, path, report) => {
  if (/[\r\n\0]/.test(decoded)) return report.error(path, 'a header value has no line breaks');
  if (!decoded.replace(formatOperator, '').includes('%')) return decoded;
  return report.error(path, 'a lone % does not stand for itself', 'write %%');
});

const changedName: Decoder<string> = refined(text, (decoded, path, report) =>
  decoded === ':authority' ? decoded : headerName(decoded, path, report),
);

const operations = {
  set: defaulted(
    mapOf(headerValue, changedName),
    {},
    'Values in place of those that are there. `:authority` or `Host` of a request rewrites where it is for. `%REQ(x-a)%` and the like are filled in; `%%` is a percent sign.',
  ),
  add: defaulted(mapOf(headerValue, changedName), {}, 'Values beside those that are there.'),
  remove: defaulted(list(headerName), [], 'Names; a request keeps its host.'),
} as const;

/** Whether it is where a request goes, which no header operation may take away. */
export function isAuthority(name: string): boolean {
  return name === ':authority' || name.toLowerCase() === 'host';
}

const warnOfRemovedHost = ({ remove }: HeaderOperations, path: Path, report: Report): void => {
  for (const [index, name] of remove.entries()) {
    if (isAuthority(name)) report.warning([...path, 'remove', index], 'a request keeps its host');
  }
};

const warnOfHost = ({ set, add }: HeaderOperations, path: Path, report: Report): void => {
  for (const [field, values] of Object.entries({ set, add })) {
    for (const name of Object.keys(values).filter(isAuthority))
      report.warning([...path, field, name], 'has no effect: a response has no host');
  }
};

export const headers: Decoder<Headers> = object({
  request: optional(object(operations, warnOfRemovedHost), 'Before it goes on.'),
  response: optional(object(operations, warnOfHost), 'Before it goes back.'),
});
