/** Where the address of a session's endpoint stands in requests and responses. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import type { Clock } from '#core/clock.ts';
import { type HeaderList, headerOf, setHeader } from '#http/header-list.ts';
import type { TypedExtensionConfig } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import {
  type CookieBasedSessionState,
  CookieBasedSessionStateSchema,
} from '#xds/gen/envoy/extensions/http/stateful_session/cookie/v3/cookie_pb.js';
import { HeaderBasedSessionStateSchema } from '#xds/gen/envoy/extensions/http/stateful_session/header/v3/header_pb.js';
import { byteString, type Findings, typeNameOf } from '../../findings.ts';
import { cookieValue } from '../../route/header-match.ts';
import { readCookie } from '../../route/set-cookie.ts';

export interface SessionState {
  /** Whether requests for this path have sessions. */
  covers(path: string): boolean;
  /** Undefined where the request names none that counts. */
  addressOf(headers: HeaderList): string | undefined;
  /** Says in a response where the session is. */
  tell(address: string, headers: HeaderList): void;
}

export function readSessionState(
  config: TypedExtensionConfig,
  at: string,
  clock: Clock,
  findings: Findings,
): SessionState | undefined {
  const path = `${at}.typed_config`;
  switch (typeNameOf(config.typedConfig)) {
    case CookieBasedSessionStateSchema.typeName: {
      const state = findings.unpack(path, config.typedConfig, CookieBasedSessionStateSchema);
      return state && cookieState(state, path, clock, findings);
    }
    case HeaderBasedSessionStateSchema.typeName: {
      const state = findings.unpack(path, config.typedConfig, HeaderBasedSessionStateSchema);
      return state && headerState(state.name.toLowerCase(), `${path}.name`, findings);
    }
    case '':
      findings.error(path, 'is missing');
      return undefined;
    default:
      findings.error(
        path,
        `type ${config.typedConfig!.typeUrl} is not supported: use CookieBasedSessionState or HeaderBasedSessionState`,
      );
      return undefined;
  }
}

function headerState(name: string, path: string, findings: Findings): SessionState {
  if (name === '') findings.error(path, 'is missing');
  else if (!/^[a-z0-9!#$%&'*+.^_`|~-]+$/.test(name))
    findings.error(path, `"${name}" is not the name of a header`);
  return {
    covers: () => true,
    addressOf: (headers) => decoded(headerOf(headers, name))?.toString('latin1') || undefined,
    tell: (address, headers) => setHeader(headers, name, Buffer.from(address, 'latin1').toString('base64')),
  };
}

function cookieState(
  { cookie: message }: CookieBasedSessionState,
  at: string,
  clock: Clock,
  findings: Findings,
): SessionState | undefined {
  if (message === undefined) {
    findings.error(`${at}.cookie`, 'is missing');
    return undefined;
  }
  const { name, ttlMs = 0, header } = readCookie(message, `${at}.cookie`, findings);
  const ttl = Math.floor(ttlMs / 1000);
  const nowSeconds = (): number => Math.floor(clock.wallMs() / 1000);
  return {
    covers: pathMatcher(byteString(message.path)),
    addressOf: (headers) => {
      const bytes = decoded(cookieValue(headers, name));
      return bytes && addressInCookie(bytes, nowSeconds());
    },
    tell: (address, headers) => {
      const value = encodeCookie(address, ttl === 0 ? 0 : nowSeconds() + ttl);
      headers.push('set-cookie', header(value));
    },
  };
}

/** The paths that a cookie with this `Path` is sent for (Envoy). */
function pathMatcher(path: string): (requestPath: string) => boolean {
  if (path === '' || path === '/') return () => true;
  if (path.endsWith('/')) return (asked) => asked.startsWith(path);
  return (asked) => {
    if (!asked.startsWith(path)) return false;
    const next = asked[path.length];
    return next === undefined || next === '/' || next === '?' || next === '#';
  };
}

/** Undefined where it is not base64 in its one true form, as Envoy has it. */
function decoded(text: string | undefined): Buffer | undefined {
  if (text === undefined) return undefined;
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text ? bytes : undefined;
}

const ADDRESS = 1;
const EXPIRES = 2;

/** Envoy's `envoy.Cookie`; whatever is not one is an address. */
function addressInCookie(bytes: Buffer, nowSeconds: number): string | undefined {
  let address = '';
  let expires = 0;
  try {
    const reader = new BinaryReader(bytes);
    while (reader.pos < reader.len) {
      const [field, wireType] = reader.tag();
      if (field === ADDRESS && wireType === WireType.LengthDelimited) {
        address = Buffer.from(reader.bytes()).toString('latin1');
      } else if (field === EXPIRES && wireType === WireType.Varint) expires = Number(reader.uint64());
      else reader.skip(wireType, field);
    }
  } catch {
    return bytes.toString('latin1') || undefined;
  }
  return address === '' || (expires !== 0 && nowSeconds > expires) ? undefined : address;
}

function encodeCookie(address: string, expires: number): string {
  const writer = new BinaryWriter();
  writer.tag(ADDRESS, WireType.LengthDelimited).bytes(Buffer.from(address, 'latin1'));
  if (expires !== 0) writer.tag(EXPIRES, WireType.Varint).uint64(expires);
  return Buffer.from(writer.finish()).toString('base64');
}
