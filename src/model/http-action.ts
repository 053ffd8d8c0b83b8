/** What an HTTP route of a VirtualService does besides choosing a destination: redirect, reply, rewrite. */
import type { Decoder } from './decode/decoder.ts';
import { atMostOneOf, object, optional, required } from './decode/object.ts';
import { integer, oneOf, portNumber, text } from './decode/scalar.ts';
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

const redirectCode: Decoder<301 | 302 | 303 | 307 | 308> = (value, path, report) => {
  const code = [301, 302, 303, 307, 308].find((known) => known === value);
  if (code === undefined) return report.error(path, 'must be 301, 302, 303, 307 or 308');
  return code as 301 | 302 | 303 | 307 | 308;
};

export const httpRedirect: Decoder<HttpRedirect> = object(
  {
    uri: optional(text),
    prefixRewrite: optional(text),
    authority: optional(text),
    port: optional(portNumber),
    derivePort: optional(oneOf(['FROM_PROTOCOL_DEFAULT', 'FROM_REQUEST_PORT'])),
    scheme: optional(oneOf(['http', 'https'])),
    redirectCode: optional(redirectCode),
  },
  (value, path, report) => {
    atMostOneOf(value, ['port', 'derivePort'], 'none is fine', path, report);
    atMostOneOf(value, ['uri', 'prefixRewrite'], 'none is fine', path, report);
    if (Object.keys(value).length === 0) report.error(path, 'must say where to redirect to');
  },
);

const base64: Decoder<string> = (value, path, report) => {
  const decoded = text(value, path, report);
  if (
    decoded === undefined ||
    /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/.test(decoded)
  ) {
    return decoded;
  }
  return report.error(path, 'is not Base64');
};

export const httpDirectResponse: Decoder<HttpDirectResponse> = object({
  status: required(integer(200, 599)),
  body: optional(
    object({ string: optional(text), bytes: optional(base64) }, (value, path, report) =>
      atMostOneOf(value, ['string', 'bytes'], 'one is needed', path, report),
    ),
  ),
});

export const httpRewrite: Decoder<HttpRewrite> = object(
  {
    uri: optional(text),
    authority: optional(text),
    uriRegexRewrite: optional(object({ match: required(regex), rewrite: required(text) })),
  },
  (value, path, report) => {
    atMostOneOf(value, ['uri', 'uriRegexRewrite'], 'none is fine', path, report);
    if (Object.keys(value).length === 0) report.error(path, 'must say what to rewrite');
  },
);
