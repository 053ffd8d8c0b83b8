/** Composition root of `heddle gateway`. */
import type { GatewayOptions } from '#cli/command/gateway.ts';
import { runWorkloadProxy } from './workload-proxy.ts';

export function runGateway(options: GatewayOptions): Promise<number> {
  return runWorkloadProxy('router', options);
}
