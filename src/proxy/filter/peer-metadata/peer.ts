/** What one side knows of the other: kept in the filter's slot of an exchange, shared by all requests of that peer. */
import type { Workload } from '#xds/gen/heddle/workload/v1/workload_pb.js';

export class Peer {
  readonly workload: Workload;

  constructor(workload: Workload) {
    this.workload = workload;
  }
}

/** The peer some filter before put into the slots; undefined where the other side said nothing. */
export function peerOf(slots: readonly unknown[]): Peer | undefined {
  for (const slot of slots) if (slot instanceof Peer) return slot;
  return undefined;
}
