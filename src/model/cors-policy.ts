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
  allowOrigins: defaulted(list(stringMatch), []),
  allowOrigin: defaulted(list(text), []),
  allowMethods: defaulted(list(method), []),
  allowHeaders: defaulted(list(headerName), []),
  exposeHeaders: defaulted(list(headerName), []),
  maxAge: optional(maxAge),
  allowCredentials: optional(boolean),
  unmatchedPreflights: optional(oneOf(['UNSPECIFIED', 'FORWARD', 'IGNORE'])),
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
