/** Whether a response tells its client to connect anew: the listener drains, or there is too little to keep connections with. */
import { isDrawn } from '../overload/draw.ts';
import type { HcmRuntime } from './runtime.ts';

export function isDrained({ draining, overload, stats, random }: HcmRuntime): boolean {
  if (draining) return true;
  if (overload.disablesKeepAlive === 0 || !isDrawn(overload.disablesKeepAlive, random)) return false;
  stats.downstream_cx_overload_disable_keepalive.inc();
  return true;
}
