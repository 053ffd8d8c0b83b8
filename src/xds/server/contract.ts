/** The server's end of one ADS stream, as a state machine: messages in, messages out, no I/O and no clock. */
import type { Node } from '../gen/envoy/config/core/v3/base_pb.js';
import type { ResourceKind } from '../resource-type.ts';
import type { Snapshot } from '../snapshot.ts';

export interface ServerStream<Request, Response> {
  /** What to send now, in order. Requests for kinds Heddle does not serve are answered with nothing. */
  onRequest(request: Request): readonly Response[];
  /** The proxy should now have this. Returns what can be sent at once; the rest follows with the ACKs. */
  onSnapshot(snapshot: Snapshot): readonly Response[];
  /** Of the first request that had one. */
  node(): Node | undefined;
  /** One entry for each kind the client has asked for, in the order of a push. */
  status(): readonly KindStatus[];
}

export interface ServerStreamOptions {
  /** Wall clock in milliseconds, for `status()`. */
  readonly nowMs: () => number;
  /** Absent: requests are noted and answered once `onSnapshot` was called. */
  readonly snapshot?: Snapshot | undefined;
}

/**
 * `synced`: the client acknowledged all it should have. `stale`: something is sent or waits to be sent.
 * `nack`: it refused the last it was sent. `not-sent`: nothing was ever sent.
 */
export type SyncState = 'synced' | 'stale' | 'nack' | 'not-sent';

export interface Nack {
  /** The client's own words. */
  readonly message: string;
  readonly atMs: number;
  /** Names in the refused response; which of them is at fault only the message says. */
  readonly resources: readonly string[];
}

export interface KindStatus {
  readonly kind: ResourceKind;
  readonly state: SyncState;
  /** Whether the client wants all resources of the kind. */
  readonly wildcard: boolean;
  /** What it asked for by name. */
  readonly names: readonly string[];
  /** Name -> version the client acknowledged. */
  readonly acked: ReadonlyMap<string, string>;
  readonly sentAtMs?: number;
  readonly ackedAtMs?: number;
  readonly nack?: Nack;
}
