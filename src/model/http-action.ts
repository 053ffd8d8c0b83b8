/** What an HTTP route of a VirtualService does besides choosing a destination: redirect, reply, rewrite. */
import type { Decoder } from './decode/decoder.ts';
import { atMostOneOf, object, optional, required } from './decode/object.ts';
import { integer, oneOf, portNumber, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { regex } from './string-match.ts';

export interface HttpRedirect {
  /** The whole path; the query is kept. */
  readonly uri?: string;
  /** Replaces the matched prefix. */
  readonly prefixRewrite?: string;
  readonly authority?: string;
  readonly port?: number;
  readonly derivePort?: 'FROM_PROTOCOL_DEFAULT' | 'FROM_REQUEST_PORT';
  readonly scheme?: string;
  /** Absent: 301. */
  readonly redirectCode?: 301 | 302 | 303 | 307 | 308;
}

export interface HttpDirectResponse {
  readonly status: number;
  readonly body?: { readonly string?: string /** Base64. */; readonly bytes?: string };
}

export interface HttpRewrite {
  /** Replaces the matched prefix, or the whole path of an exact match. */
  readonly uri?: string;
  readonly authority?: string;
  readonly uriRegexRewrite?: { readonly match: string; readonly rewrite: string };
}

const redirectCodes = [301, 302, 303, 307, 308] as const;

/** 0 is as if it were not there. */
const redirectCode: Decoder<(typeof redirectCodes)[number]> = refined(
  integer(0, 599),
  (decoded, path, report) =>
    decoded === 0
      ? 301
      : (redirectCodes.find((known) => known === decoded) ??
        report.error(path, 'must be 301, 302, 303, 307 or 308')),
);

export const httpRedirect: Decoder<HttpRedirect> = object(
  {
    uri: optional(
      text,
      'In place of the path; the query stays. `%PREFIX()%/x` replaces what `uri.prefix` matched.',
    ),
    prefixRewrite: optional(text, 'In place of what `uri.prefix` matched.'),
    authority: optional(text, 'In place of the host.'),
    port: optional(portNumber, 'In place of the port.'),
    derivePort: optional(
      oneOf(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT']),
      'That of the scheme, which needs none, or the one that was called.',
    ),
    scheme: optional(oneOf(['http', 'https']), 'In place of that of the request.'),
    redirectCode: optional(redirectCode, '301 (also for 0), 302, 303, 307 or 308; else 301.'),
  },
  (value, path, report) => {
    atMostOneOf(value, ['port', 'derivePort'], 'none is fine', path, report);
    atMostOneOf(value, ['uri', 'prefixRewrite'], 'none is fine', path, report);
    if (Object.keys(value).length === 0) report.error(path, 'must say where to redirect to');
  },
);

const base64: Decoder<string> = refined(text, (decoded, path, report) =>
  /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(decoded)
    ? decoded
    : report.error(path, 'is not Base64'),
);

/** Istio's limit. */
const longestBody = 1024 * 1024;

const replyBody = object(
  { string: optional(text, 'As it is.'), bytes: optional(base64, 'As Base64.') },
  (value, path, report) => {
    atMostOneOf(value, ['string', 'bytes'], 'one is needed', path, report);
    const { string, bytes } = value;
    const length =
      string === undefined ? ((bytes?.length ?? 0) * 3) / 4 : new TextEncoder().encode(string).length;
    if (length > longestBody) report.error(path, 'is longer than 1 MiB', 'let a service answer');
  },
);

export const httpDirectResponse: Decoder<HttpDirectResponse> = object({
  status: required(integer(200, 599), 'Of the response.'),
  body: optional(replyBody, 'Up to 1 MiB.'),
});

export const httpRewrite: Decoder<HttpRewrite> = object(
  {
    uri: optional(text, 'In place of what `uri.prefix` or `uri.exact` matched.'),
    authority: optional(text, 'In place of the host.'),
    uriRegexRewrite: optional(
      object({
        match: required(regex, 'Of RE2: parts of the path.'),
        rewrite: required(text, 'In their place; `\\1` is the first group.'),
      }),
      'Of the path, without the query.',
    ),
  },
  (value, path, report) => {
    atMostOneOf(value, ['uri', 'uriRegexRewrite'], 'none is fine', path, report);
    if (Object.keys(value).length === 0) report.error(path, 'must say what to rewrite');
  },
);
