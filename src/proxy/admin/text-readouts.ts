/** Figures of Envoy that are texts: versions of what came from a management server. */
import type { AdminView } from './contract.ts';

export function textReadouts({ table }: AdminView): (readonly [name: string, value: string])[] {
  return (
    [
      ['cluster_manager.cds.version_text', table.systemVersion('cluster')],
      ['listener_manager.lds.version_text', table.systemVersion('listener')],
    ] as const
  ).filter(([, value]) => value !== '');
}
