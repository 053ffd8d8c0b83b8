/** The addresses of a mesh in namespaces of its own: nobody outside sees them, so every mesh has the same. */
import type { PodAddresses } from './mesh-network.ts';

/** Of the bridge, where the control plane listens and Pods send what leaves the mesh. */
export const hubAddresses: PodAddresses = { ipv4: '10.244.0.1', ipv6: 'fd48::1' };

/** Of Pods, gateways and the hub. */
export const podRanges = { ipv4: '10.244.0.0/16', ipv6: 'fd48::/64' } as const;

/** As many as one third byte of an address holds, without those that look like a network or a broadcast. */
const A_BLOCK = 250;
const FIRST_POD_BLOCK = 1;

/** @param index from 0 */
export function gatewayAddresses(index: number): PodAddresses {
  return inBlock(0, index + 1);
}

/** @param index from 0 */
export function podAddresses(index: number): PodAddresses {
  return inBlock(FIRST_POD_BLOCK + Math.floor(index / A_BLOCK), index % A_BLOCK);
}

function inBlock(block: number, at: number): PodAddresses {
  return { ipv4: `10.244.${block}.${at + 1}`, ipv6: `fd48::${block.toString(16)}:${(at + 1).toString(16)}` };
}
