/** The target of a request (RFC 9112 §3.2) taken apart: which forms there are, and what may stand in them, as Envoy has it. */
import { parseIp } from '#core/ip-address.ts';
import { type Fault, faults } from './fault.ts';

const SLASH = 0x2f;
const STAR = 0x2a;

/** Methods that are known, as Envoy's codec has them. */
const methods: ReadonlySet<string> = new Set(
  (
    'ACL BIND CHECKOUT CONNECT COPY DELETE GET HEAD LINK LOCK MERGE MKACTIVITY MKCALENDAR MKCOL MOVE MSEARCH NOTIFY OPTIONS ' +
    'PATCH POST PROPFIND PROPPATCH PURGE PUT QUERY REBIND REPORT SEARCH SOURCE SUBSCRIBE TRACE UNBIND UNLINK UNLOCK UNSUBSCRIBE'
  ).split(' '),
);

export function isKnownMethod(method: string): boolean {
  return method === 'GET' || methods.has(method);
}

/** What may stand in `host` and `:authority` (RFC 3986 §3.2.2 and what Envoy adds). */
const authorityChar = charTable(/[!$%&'()*+,\-.0-9:;=@A-Z[\]_a-z~]/);

function charTable(pattern: RegExp): Uint8Array {
  const table = new Uint8Array(256);
  for (let char = 0; char < 256; char++) table[char] = pattern.test(String.fromCharCode(char)) ? 1 : 0;
  return table;
}

/** Whether a `host` or `:authority` holds only what may stand there. */
export function isAuthority(text: string): boolean {
  for (let i = 0; i < text.length; i++) if (authorityChar[text.charCodeAt(i)] !== 1) return false;
  return true;
}

export class RequestTarget {
  /** What is asked for; '' for CONNECT. */
  path = '';
  /** As the target names it; '' where it does not. */
  authority = '';
  /** Lower case; '' where the target has none. */
  scheme = '';

  /** @param takesAbsolute whether a URL is taken apart; else it stays as it is */
  read(target: string, method: string, takesAbsolute: boolean): Fault | undefined {
    this.path = target;
    this.authority = '';
    this.scheme = '';
    if (method === 'CONNECT') return this.#readAuthority(target);
    const first = target.charCodeAt(0);
    if (first === SLASH) return undefined;
    if (first === STAR) return method === 'OPTIONS' ? undefined : faults.url;
    const url = /^([A-Za-z][A-Za-z0-9+.-]*):\/\/([^/?]*)(.*)$/.exec(target);
    if (url === null || !isAuthority(url[2]!)) return faults.target;
    return takesAbsolute ? this.#readUrl(url[1]!.toLowerCase(), url[2]!, url[3]!) : undefined;
  }

  #readAuthority(target: string): Fault | undefined {
    if (target.includes('#') || !isAuthority(target.replace(/[/?]/g, ''))) return faults.target;
    if (portOf(target) === '' || !isHostAndPort(target)) return faults.url;
    this.authority = target;
    this.path = '';
    return undefined;
  }

  #readUrl(scheme: string, host: string, rest: string): Fault | undefined {
    const at = host.indexOf('@');
    const hostAndPort = host.slice(at + 1);
    if (hostAndPort.endsWith(':') || !isHostAndPort(hostAndPort)) return faults.url;
    if (scheme !== 'http' && scheme !== 'https') return faults.scheme;
    this.scheme = scheme;
    this.authority = hostAndPort;
    this.path = rest === '' ? '/' : rest;
    return undefined;
  }
}

const HOST_AND_PORT = /^(?:[A-Za-z0-9.-]+|\[([0-9A-Fa-f:.]+)\])(?::([0-9]+))?$/;
const MAX_PORT = 65_535;

function isHostAndPort(text: string): boolean {
  const parts = HOST_AND_PORT.exec(text);
  if (parts === null) return false;
  const [, address, port = '0'] = parts;
  return Number(port) <= MAX_PORT && (address === undefined || parseIp(address) !== undefined);
}

function portOf(text: string): string {
  return /:([0-9]+)$/.exec(text)?.[1] ?? '';
}
