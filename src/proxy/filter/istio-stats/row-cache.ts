/**
 * From what a request is to its row of metrics: a few comparisons with the row before, else a walk of
 * small maps. Labels are put together only for a row that was never seen.
 */
import type { Workload } from '#xds/gen/heddle/workload/v1/workload_pb.js';
import type { ClusterFacts } from '../contract.ts';

/** All that tells one row from another on one listener. A filter fills one object again and again. */
export interface RowKey {
  peer: Workload | undefined;
  cluster: ClusterFacts | undefined;
  code: number;
  flags: string;
  principal: string;
  grpcStatus: string;
  /** '' where the cluster names the service. */
  host: string;
}

/** Beyond, the cache begins anew and rows are found by their labels again. */
const KEPT_ROWS = 10_000;

const nobody: object = {};

export class RowCache<Row> {
  #lastKey: RowKey | undefined;
  #lastRow: Row | undefined;
  /** Peer, then cluster, then the rest as one text. */
  #rows = new Map<object, Map<object, Map<string, Row>>>();
  #size = 0;

  find(key: RowKey): Row | undefined {
    const last = this.#lastKey;
    if (last !== undefined && isSame(last, key)) return this.#lastRow;
    const row = this.#rows
      .get(key.peer ?? nobody)
      ?.get(key.cluster ?? nobody)
      ?.get(restOf(key));
    if (row !== undefined) this.#remember(key, row);
    return row;
  }

  keep(key: RowKey, row: Row): void {
    if (this.#size >= KEPT_ROWS) {
      this.#rows = new Map();
      this.#size = 0;
    }
    this.#size += 1;
    const peer = key.peer ?? nobody;
    const cluster = key.cluster ?? nobody;
    const ofPeer = this.#rows.get(peer) ?? new Map<object, Map<string, Row>>();
    this.#rows.set(peer, ofPeer);
    const ofCluster = ofPeer.get(cluster) ?? new Map<string, Row>();
    ofPeer.set(cluster, ofCluster);
    ofCluster.set(restOf(key), row);
    this.#remember(key, row);
  }

  #remember(key: RowKey, row: Row): void {
    this.#lastKey = { ...key };
    this.#lastRow = row;
  }
}

function isSame(a: RowKey, b: RowKey): boolean {
  return (
    a.peer === b.peer &&
    a.cluster === b.cluster &&
    a.code === b.code &&
    a.flags === b.flags &&
    a.principal === b.principal &&
    a.grpcStatus === b.grpcStatus &&
    a.host === b.host
  );
}

function restOf({ code, flags, principal, grpcStatus, host }: RowKey): string {
  return `${code} ${flags} ${grpcStatus} ${host} ${principal}`;
}
