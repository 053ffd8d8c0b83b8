/** `set-cookie` of cookies that the proxy makes. */
import type { Duration } from '@bufbuild/protobuf/wkt';
import { byteString, type Findings } from '../findings.ts';

/** A cookie of configuration, whichever message it is. */
interface CookieMessage {
  readonly name: string;
  readonly ttl?: Duration | undefined;
  readonly path: string;
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
}

export interface MadeCookie {
  /** A byte string. */
  readonly name: string;
  /** Undefined where nothing is said of it. */
  readonly ttlMs: number | undefined;
  /** The value of the header for a value of the cookie. */
  header(value: string): string;
}

/** Envoy's `Utility::makeSetCookieValue`. */
export function readCookie(cookie: CookieMessage, at: string, findings: Findings): MadeCookie {
  const name = byteString(cookie.name);
  if (name === '') findings.error(`${at}.name`, 'is missing');
  const ttlMs = findings.durationMs(`${at}.ttl`, cookie.ttl);
  let tail = ttlMs === undefined || ttlMs < 1000 ? '' : `; Max-Age=${Math.floor(ttlMs / 1000)}`;
  if (cookie.path !== '') tail += `; Path=${byteString(cookie.path)}`;
  cookie.attributes.forEach(({ name: attribute, value }, i) => {
    const path = `${at}.attributes[${i}]`;
    if (attribute === '') findings.error(`${path}.name`, 'is missing');
    if (/[\0\r\n]/.test(attribute)) findings.error(`${path}.name`, 'must not have NUL, CR or LF');
    if (/[\0\r\n]/.test(value)) findings.error(`${path}.value`, 'must not have NUL, CR or LF');
    tail += `; ${byteString(attribute)}${value === '' ? '' : `=${byteString(value)}`}`;
  });
  return { name, ttlMs, header: (value) => `${name}="${value}"${tail}; HttpOnly` };
}
