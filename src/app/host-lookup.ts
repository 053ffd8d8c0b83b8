/** Addresses of host names: by the machine's own way, or by resolvers that a cluster names. */
import { lookup, Resolver } from 'node:dns/promises';
import { readFileSync } from 'node:fs';
import { namesToTry, parseResolvConf } from '#names/resolver-list.ts';
import type { FoundAddresses, Lookup, ResolverSettings } from '#proxy/dns/lookup.ts';

const nothing: FoundAddresses = { addresses: [], ttlS: undefined };

/** Rejects where nobody could say. */
export async function lookUpHost({ host, family, resolver, wantsTtl }: Lookup): Promise<FoundAddresses> {
  if (resolver !== undefined) return ask(host, family, resolver);
  const addresses = await bySystem(host, family);
  if (!wantsTtl || addresses.length === 0) return { addresses, ttlS: undefined };
  // The system does not say how long an answer holds: what its resolvers say does, where they know the name.
  const told = await ask(host, family, undefined).catch(() => nothing);
  return { addresses, ttlS: told.ttlS };
}

async function bySystem(host: string, family: 4 | 6): Promise<string[]> {
  try {
    const found = await lookup(host, { all: true, family, order: 'verbatim' });
    return found.map(({ address }) => address);
  } catch (error) {
    if (isUnknown(error)) return [];
    throw error;
  }
}

/** There is no such name, or it has no such address. */
function isUnknown(error: unknown): boolean {
  const { code } = error as NodeJS.ErrnoException;
  return code === 'ENOTFOUND' || code === 'ENODATA';
}

async function ask(
  host: string,
  family: 4 | 6,
  settings: ResolverSettings | undefined,
): Promise<FoundAddresses> {
  const resolver = new Resolver({
    ...(settings?.timeoutMs === undefined ? {} : { timeout: settings.timeoutMs }),
    ...(settings?.tries === undefined ? {} : { tries: settings.tries }),
  });
  if (settings !== undefined) resolver.setServers(settings.servers);
  for (const name of settings?.asTheyStand === true ? [host] : machineNames(host)) {
    try {
      const records =
        family === 4
          ? await resolver.resolve4(name, { ttl: true })
          : await resolver.resolve6(name, { ttl: true });
      if (records.length === 0) continue;
      return {
        addresses: records.map(({ address }) => address),
        ttlS: Math.min(...records.map(({ ttl }) => ttl)),
      };
    } catch (error) {
      if (!isUnknown(error)) throw error;
    }
  }
  return nothing;
}

/** The machine's own list of domains, as it is now. */
function machineNames(host: string): string[] {
  let text = '';
  try {
    text = readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    // There is no list.
  }
  return namesToTry(host, parseResolvConf(text));
}
