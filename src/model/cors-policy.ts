/** `http[].corsPolicy` of a VirtualService: pages of which origins may read answers (Fetch, "CORS protocol"). */
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, object, optional } from './decode/object.ts';
import { boolean, durationMs, oneOf, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { headerName } from './header-operations.ts';
import { type StringMatch, stringMatch } from './string-match.ts';

export interface CorsPolicy {
  /** Any of them; what matches `*` matches every origin. */
  readonly allowOrigins: readonly StringMatch[];
  readonly allowMethods: readonly string[];
  readonly allowHeaders: readonly string[];
  readonly exposeHeaders: readonly string[];
  /** Whole seconds; absent: browsers ask again when they like. */
  readonly maxAgeS?: number;
  readonly allowCredentials?: boolean;
  /** What a preflight of another origin meets: the application, or an answer that allows nothing. */
  readonly unmatchedPreflights: 'FORWARD' | 'IGNORE';
}

/** Those that Istio takes; `*` is all of them. */
const method: Decoder<string> = oneOf([
  ...(['CONNECT', 'DELETE', 'GET', 'HEAD', 'OPTIONS', 'PATCH', 'POST', 'PUT', 'TRACE', '*'] as const),
]);

const maxAge: Decoder<number> = refined(durationMs, (ms, path, report) =>
  ms % 1000 === 0 ? ms / 1000 : report.error(path, 'whole seconds are needed'),
);

const fields = object({
  allowOrigins: defaulted(list(stringMatch), [], 'Origins whose pages may read answers, any of them.'),
  allowOrigin: defaulted(list(text), [], 'The old name of it, of exact values; `*` is every origin.'),
  allowMethods: defaulted(list(method), [], 'That pages may use.'),
  allowHeaders: defaulted(list(headerName), [], 'That pages may send.'),
  exposeHeaders: defaulted(list(headerName), [], 'That pages may read.'),
  maxAge: optional(maxAge, 'How long browsers need not ask again; whole seconds.'),
  allowCredentials: optional(boolean, 'Whether pages may send cookies.'),
  unmatchedPreflights: optional(
    oneOf(['UNSPECIFIED', 'FORWARD', 'IGNORE']),
    'What a preflight of another origin meets: `FORWARD`, the application; `IGNORE`, an answer that allows nothing. Else the first.',
  ),
});

export const corsPolicy: Decoder<CorsPolicy> = refined(fields, (decoded) => {
  const { allowOrigin, maxAge: maxAgeS, unmatchedPreflights, ...rest } = decoded;
  return {
    ...rest,
    allowOrigins: rest.allowOrigins.length > 0 ? rest.allowOrigins : allowOrigin.map((exact) => ({ exact })),
    ...(maxAgeS !== undefined && { maxAgeS }),
    unmatchedPreflights: unmatchedPreflights === 'IGNORE' ? 'IGNORE' : 'FORWARD',
  };
});
