/**
 * Tells the proxy on the other side who this workload is, and learns who that one is, in the headers
 * of Istio's metadata exchange. Only where both ends showed a mesh identity; from anybody else the
 * headers are taken away, and nobody else is told.
 */
import type { Parsed } from '#core/problem.ts';
import { type HeaderList, headerOf, removeHeader, setHeader } from '#http/header-list.ts';
import {
  type PeerMetadata,
  PeerMetadata_Direction,
  PeerMetadataSchema,
} from '#xds/gen/heddle/filters/http/peer_metadata/v1/peer_metadata_pb.js';
import type { Workload } from '#xds/gen/heddle/workload/v1/workload_pb.js';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { Peer } from './peer.ts';
import { decodeWorkload, encodeWorkload } from './workload-struct.ts';

const ID_HEADER = 'x-envoy-peer-metadata-id';
const METADATA_HEADER = 'x-envoy-peer-metadata';

/** Workloads that are kept decoded (a text of 300 bytes keeps a head of 1 KB); beyond, the oldest are forgotten. */
const KEPT_PEERS = 1000;

export const peerMetadata: CataloguedFilter = defineFilter({
  kind: 'peer-metadata',
  stability: 'stable',
  trust: 'hostile-both',
  schema: PeerMetadataSchema,
  create(config, path, deps): Parsed<HttpFilter> {
    const { direction, self } = config;
    const known = direction !== PeerMetadata_Direction.DIRECTION_UNSPECIFIED;
    if (!known || self === undefined) {
      const message = known ? 'self is missing' : 'direction must be INBOUND or OUTBOUND';
      return { ok: false, problems: [{ level: 'error', path, message }] };
    }
    const own = { id: nodeIdOf(self), metadata: encodeWorkload(self) };
    const filter =
      direction === PeerMetadata_Direction.INBOUND ? inbound(config, own, deps) : outbound(config, own, deps);
    return { ok: true, value: filter, problems: [] };
  },
});

interface Own {
  readonly id: string;
  readonly metadata: string;
}

/** Before the application: reads what the caller says, answers with who is here. */
function inbound({ onlyWithinMesh }: PeerMetadata, own: Own, { slot }: FilterDeps): HttpFilter {
  const peers = new PeerTable();
  const trusted = (exchange: Exchange): boolean =>
    !onlyWithinMesh || (exchange.peerValidated && isSpiffeId(exchange.downstreamPeerUri));
  return {
    onRequestHead(exchange): undefined {
      const text = take(exchange.requestHeaders);
      exchange.slots[slot] = text !== undefined && trusted(exchange) ? peers.of(text) : undefined;
    },
    onResponseHead(exchange): undefined {
      // What the application says of itself in these headers is no proxy's word.
      take(exchange.responseHeaders);
      if (exchange.slots[slot] !== undefined) tell(exchange.responseHeaders, own);
    },
  };
}

/** Behind the application: says who calls, reads who answers. */
function outbound({ onlyWithinMesh }: PeerMetadata, own: Own, { slot }: FilterDeps): HttpFilter {
  const peers = new PeerTable();
  return {
    onRequestHead(exchange): undefined {
      take(exchange.requestHeaders);
    },
    // At each attempt: the next endpoint may be outside the mesh.
    onUpstream(exchange): void {
      if (exchange.endpoint?.mutualTls === true || !onlyWithinMesh) tell(exchange.requestHeaders, own);
      else take(exchange.requestHeaders);
    },
    onResponseHead(exchange): undefined {
      const text = take(exchange.responseHeaders);
      const trusted = !onlyWithinMesh || isSpiffeId(exchange.upstreamPeerUri);
      exchange.slots[slot] = text !== undefined && trusted ? peers.of(text) : undefined;
    },
  };
}

function tell(headers: HeaderList, { id, metadata }: Own): void {
  setHeader(headers, ID_HEADER, id);
  setHeader(headers, METADATA_HEADER, metadata);
}

/** Removes both headers; what they said, if anything. */
function take(headers: HeaderList): string | undefined {
  const text = headerOf(headers, METADATA_HEADER);
  removeHeader(headers, ID_HEADER);
  if (text !== undefined) removeHeader(headers, METADATA_HEADER);
  return text;
}

function isSpiffeId(uri: string): boolean {
  return uri.startsWith('spiffe://');
}

function nodeIdOf({ instance, name, namespace }: Workload): string {
  return `sidecar~~${instance || name}.${namespace}~${namespace}.svc.cluster.local`;
}

/** Peers by the text they sent. The id would be shorter, but one workload could then speak for another. */
class PeerTable {
  readonly #peers = new Map<string, Peer>();
  #lastText = '';
  #last: Peer | undefined;

  of(text: string): Peer | undefined {
    // Requests of one connection come from one workload.
    if (text === this.#lastText) return this.#last;
    let peer = this.#peers.get(text);
    if (peer === undefined) {
      const workload = decodeWorkload(text);
      if (workload === undefined) return undefined;
      peer = new Peer(workload);
      if (this.#peers.size >= KEPT_PEERS) this.#peers.delete(this.#peers.keys().next().value ?? '');
      this.#peers.set(text, peer);
    }
    this.#lastText = text;
    this.#last = peer;
    return peer;
  }
}
