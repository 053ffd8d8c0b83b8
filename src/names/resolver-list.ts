/** The resolvers of the host, as `resolv.conf` names them (resolv.conf(5)). */
import { parseIp } from '#core/ip-address.ts';

export interface ResolverAddress {
  readonly address: string;
  readonly port: number;
}

export interface ResolverList {
  /** In the order in which they are tried. */
  readonly servers: readonly ResolverAddress[];
  /** How long each is given for an answer. */
  readonly timeoutMs: number;
  /** How many times all of them are tried. */
  readonly attempts: number;
}

/** What a `resolv.conf` says. */
export interface ResolvConf extends ResolverList {
  /** Domains below which names are looked up. */
  readonly search: readonly string[];
  /** With so many dots a name is looked up as it stands first. */
  readonly ndots: number;
}

export const DNS_PORT = 53;
/** The bounds and defaults of glibc; it reads three servers and no more. */
const MAX_SERVERS = 3;
const DEFAULT_TIMEOUT_S = 5;
const MAX_TIMEOUT_S = 30;
const DEFAULT_ATTEMPTS = 2;
const MAX_ATTEMPTS = 5;
const DEFAULT_NDOTS = 1;
const MAX_NDOTS = 15;

/** What is not understood is passed over, as the C library does. */
export function parseResolvConf(text: string): ResolvConf {
  const servers: ResolverAddress[] = [];
  let timeoutS = DEFAULT_TIMEOUT_S;
  let attempts = DEFAULT_ATTEMPTS;
  let search: readonly string[] = [];
  let ndots = DEFAULT_NDOTS;
  for (const line of text.split('\n')) {
    const [keyword, ...words] = line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/);
    if (keyword === 'nameserver') {
      // A link-local address is of one interface: fe80::1%eth0.
      const [ip, zone] = (words[0] ?? '').split('%', 2) as [string, string | undefined];
      if (parseIp(ip) === undefined || servers.length >= MAX_SERVERS) continue;
      servers.push({ address: zone === undefined ? ip : `${ip}%${zone}`, port: DNS_PORT });
    } else if (keyword === 'search') {
      // The last one holds.
      search = words;
    } else if (keyword === 'options') {
      timeoutS = optionOf(words, 'timeout', MAX_TIMEOUT_S) ?? timeoutS;
      attempts = optionOf(words, 'attempts', MAX_ATTEMPTS) ?? attempts;
      ndots = optionOf(words, 'ndots', MAX_NDOTS, 0) ?? ndots;
    }
  }
  return { servers, timeoutMs: timeoutS * 1000, attempts, search, ndots };
}

/** What a name may stand for, in the order in which it is looked up. */
export function namesToTry(host: string, { search, ndots }: Pick<ResolvConf, 'search' | 'ndots'>): string[] {
  if (host.endsWith('.')) return [host];
  const below = search.map((domain) => `${host}.${domain}`);
  return host.split('.').length > ndots ? [host, ...below] : [...below, host];
}

/** What `--dns-upstream` means: these servers, with glibc's patience. */
export function resolverList(servers: readonly ResolverAddress[]): ResolverList {
  return { servers, timeoutMs: DEFAULT_TIMEOUT_S * 1000, attempts: DEFAULT_ATTEMPTS };
}

function optionOf(words: readonly string[], name: string, most: number, least = 1): number | undefined {
  const value = words.findLast((word) => word.startsWith(`${name}:`))?.slice(name.length + 1);
  if (value === undefined || !/^\d+$/.test(value)) return undefined;
  return Math.min(Math.max(Number(value), least), most);
}
