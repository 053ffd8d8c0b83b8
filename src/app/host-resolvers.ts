/** The resolvers of the host as its `resolv.conf` has them now: a laptop finds another network, a VPN comes up. */
import { readFileSync, statSync } from 'node:fs';
import { parseResolvConf, type ResolverAddress, type ResolverList } from '#names/resolver-list.ts';
import type { Logger } from '#observe/log.ts';

export interface HostResolversSettings {
  readonly file: string;
  /** Addresses of our own, which are not to be asked. */
  readonly own: () => readonly ResolverAddress[];
  readonly log: Logger;
  readonly nowMs: () => number;
}

/** How often the file is looked at, at most. */
const LOOK_AGAIN_MS = 5000;
const ANY_ADDRESS: readonly string[] = ['0.0.0.0', '::'];

/** Gives the list in force; while the file cannot be read, the one before, and at first an empty one. */
export function hostResolvers(settings: HostResolversSettings): () => ResolverList {
  const { file, own, log, nowMs } = settings;
  let known: ResolverList = parseResolvConf('');
  let readMtimeMs: number | undefined;
  let lookedMs = Number.NEGATIVE_INFINITY;
  return () => {
    if (nowMs() - lookedMs < LOOK_AGAIN_MS) return known;
    lookedMs = nowMs();
    try {
      const { mtimeMs } = statSync(file);
      if (mtimeMs === readMtimeMs) return known;
      const list = parseResolvConf(readFileSync(file, 'utf8'));
      readMtimeMs = mtimeMs;
      known = { ...list, servers: list.servers.filter((server) => !isOneOf(own(), server)) };
      if (known.servers.length === 0) log.warn('dns.no-resolver', { file });
    } catch (error) {
      log.warn('dns.no-resolver', { file, error: (error as Error).message });
    }
    return known;
  };
}

function isOneOf(own: readonly ResolverAddress[], { address, port }: ResolverAddress): boolean {
  return own.some(
    (one) => one.port === port && (one.address === address || ANY_ADDRESS.includes(one.address)),
  );
}
