/** `consistentHash` of a load balancer: what of a request says to which endpoint it belongs. */
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { atMostOneOf, defaulted, object, optional, required } from './decode/object.ts';
import { boolean, durationMsOrZero, integer, nonEmptyText, text } from './decode/scalar.ts';

export interface HashCookie {
  readonly name: string;
  readonly path?: string;
  /** Milliseconds; 0: as long as the browser runs. Absent: nobody is given one who has none. */
  readonly ttl?: number;
  readonly attributes: readonly { readonly name: string; readonly value?: string }[];
}

/** At most one of the first four, and one of the next two. */
export interface ConsistentHash {
  readonly httpHeaderName?: string;
  readonly httpCookie?: HashCookie;
  readonly useSourceIp?: boolean;
  readonly httpQueryParameterName?: string;
  readonly ringHash?: { readonly minimumRingSize?: number };
  readonly maglev?: { readonly tableSize?: number };
  /** An older place for that of {@link ringHash}; 0: Istio's default. */
  readonly minimumRingSize?: number;
}

/** Of Envoy. */
const MAX_RING = 8 * 1024 * 1024;
const MAX_TABLE = 5_000_011;
/** Of the schema: the field holds 64 bits. */
const size = integer(0, Number.MAX_SAFE_INTEGER);

const cookie: Decoder<HashCookie> = object({
  name: required(nonEmptyText, 'Of the cookie.'),
  path: optional(text, 'The `path` of the cookie that is made.'),
  ttl: optional(
    durationMsOrZero,
    'Whoever has no such cookie is given one of this age; `0s`: until the browser ends. Without it none are made.',
  ),
  attributes: defaulted(
    list(
      object({
        name: required(nonEmptyText, 'Such as `SameSite`.'),
        value: optional(text, 'Such as `Strict`; none for attributes that have none, such as `Secure`.'),
      }),
    ),
    [],
    'More attributes of the cookie that is made.',
  ),
});

export const consistentHash: Decoder<ConsistentHash> = object(
  {
    httpHeaderName: optional(nonEmptyText, 'By the value of this header.'),
    httpCookie: optional(cookie, 'By this cookie.'),
    useSourceIp: optional(boolean, "By the caller's address."),
    httpQueryParameterName: optional(nonEmptyText, 'By this parameter of the query.'),
    ringHash: optional(
      object({ minimumRingSize: optional(size, 'Entries on the ring; Envoy has 1024 by default.') }),
      'On a ring (the default).',
    ),
    maglev: optional(
      object({ tableSize: optional(size, 'A prime number; Envoy has 65537 by default.') }),
      'By a table: faster than a ring, and less stable while endpoints come and go.',
    ),
    minimumRingSize: optional(size, 'An older place for `ringHash.minimumRingSize`.'),
  },
  (hash, path, report) => {
    const keys = ['httpHeaderName', 'httpCookie', 'useSourceIp', 'httpQueryParameterName'];
    atMostOneOf(hash, keys, 'none is fine', path, report);
    atMostOneOf(hash, ['ringHash', 'maglev'], 'none is fine', path, report);
    const { tableSize = 0 } = hash.maglev ?? {};
    if (tableSize !== 0 && (tableSize > MAX_TABLE || !isPrime(tableSize)))
      report.error([...path, 'maglev', 'tableSize'], `must be a prime number up to ${MAX_TABLE}`);
    const rings: readonly (readonly [string[], number | undefined])[] = [
      [['minimumRingSize'], hash.minimumRingSize],
      [['ringHash', 'minimumRingSize'], hash.ringHash?.minimumRingSize],
    ];
    for (const [at, ring = 0] of rings)
      if (ring > MAX_RING) report.error([...path, ...at], `must be at most ${MAX_RING}`);
    if (!keys.some((key) => Object.hasOwn(hash, key)))
      report.warning(path, `names nothing to hash by: any endpoint is chosen; say one of ${keys.join(', ')}`);
  },
);

function isPrime(value: number): boolean {
  if (value < 2) return false;
  for (let divisor = 2; divisor * divisor <= value; divisor++) if (value % divisor === 0) return false;
  return true;
}
