/** The cache that a filter shares with its cluster. */
import type { DnsCacheConfig } from '#xds/gen/envoy/extensions/common/dynamic_forward_proxy/v3/dns_cache_pb.js';
import type { Findings } from '../findings.ts';
import type { HostCache } from './cache.ts';
import { type CacheSettings, otherSettings, readCache } from './cache-settings.ts';

interface Sharing {
  hostCache?(settings: CacheSettings): HostCache | undefined;
}

/** @returns undefined where nothing is served, and after an error. */
export function readSharedCache(
  config: DnsCacheConfig | undefined,
  path: string,
  deps: Sharing,
  findings: Findings,
): HostCache | undefined {
  if (config === undefined) {
    findings.error(path, 'is missing');
    return undefined;
  }
  const settings = readCache(config, path, findings);
  if (findings.failed || deps.hostCache === undefined) return undefined;
  const cache = deps.hostCache(settings);
  if (cache === undefined) findings.error(path, otherSettings(settings.name));
  return cache;
}
