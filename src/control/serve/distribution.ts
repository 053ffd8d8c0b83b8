/** Whether what has changed has reached the proxies. */
import { setTimeout as wait } from 'node:timers/promises';
import type { ResourceKind } from '#xds/resource-type.ts';
import { type AdsProxy, proxyName } from './ads-stream.ts';
import type { Discovery } from './discovery.ts';

/** What a Pod that comes or goes is told by. */
const kinds: ReadonlySet<ResourceKind> = new Set(['endpoint', 'nameTable']);
const ASK_EVERY_MS = 20;

/**
 * Resolves when every connected proxy has answered the newest endpoints and names, be it that it refuses them.
 *
 * @returns `POD.NAMESPACE` of those that have not within `timeoutMs`
 */
export async function distributed(
  discovery: Discovery<AdsProxy>,
  timeoutMs: number,
): Promise<readonly string[]> {
  const deadlineMs = performance.now() + timeoutMs;
  for (;;) {
    const late = [...discovery.proxies()].filter((proxy) => !discovery.settled || isBehind(proxy));
    if (late.length === 0 && discovery.settled) return [];
    if (performance.now() >= deadlineMs) return late.map(({ node }) => proxyName(node));
    await wait(ASK_EVERY_MS);
  }
}

function isBehind(proxy: AdsProxy): boolean {
  return proxy.status().some(({ kind, state }) => state === 'stale' && kinds.has(kind));
}
