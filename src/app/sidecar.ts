/** Composition root of `heddle sidecar`. */
import type { SidecarOptions } from '#cli/command/sidecar.ts';
import { runWorkloadProxy } from './workload-proxy.ts';

export function runSidecar(options: SidecarOptions): Promise<number> {
  return runWorkloadProxy('sidecar', options);
}
