/**
 * The server's end of a state-of-the-world ADS stream: listeners and clusters are always sent whole,
 * of the other kinds what is new to the client (xDS protocol, "Basic protocol overview").
 */
import { create } from '@bufbuild/protobuf';
import type { Node } from '../gen/envoy/config/core/v3/base_pb.js';
import {
  type DiscoveryRequest,
  type DiscoveryResponse,
  DiscoveryResponseSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import { kindOfTypeUrl, resourceTypes } from '../resource-type.ts';
import { type Snapshot, versionOfSet } from '../snapshot.ts';
import type { ServerStream, ServerStreamOptions } from './contract.ts';
import { Push } from './push.ts';
import { type Content, mayOmitNames, type Watch } from './watch.ts';

export type SotwServerStream = ServerStream<DiscoveryRequest, DiscoveryResponse>;

export function createSotwServerStream(options: ServerStreamOptions): SotwServerStream {
  const { nowMs } = options;
  let node: Node | undefined;
  let lastNonce = 0;
  let snapshot: Snapshot | undefined = options.snapshot;
  /** Watch -> nonce of its last response: a request with another one was written before that response came. */
  const nonces = new Map<Watch, string>();
  /** Watch -> version its client brought from an earlier stream, until it was compared. */
  const brought = new Map<Watch, string>();

  const push = new Push<DiscoveryResponse>(snapshot, (watch, content) => {
    const { fullState } = resourceTypes[watch.kind];
    if (!fullState && content.upserts.length === 0) {
      // Only by silence can it be said that these are not there.
      watch.tell(content);
      for (const name of content.removals) watch.acked.delete(name);
      return undefined;
    }
    const nonce = String(++lastNonce);
    nonces.set(watch, nonce);
    watch.sent(nonce, content, nowMs());
    return responseOf(watch, fullState ? wholeState(watch) : content, nonce);
  });

  /** A client that comes back with the version of all it should have is told nothing. */
  function resume(watch: Watch, resources: Snapshot): void {
    const version = brought.get(watch);
    brought.delete(watch);
    if (version === undefined) return;
    const wanted = [...resources[watch.kind].values()].filter(({ name }) => watch.covers(name));
    if (version !== versionOfSet(wanted.map((resource) => [resource.name, resource.version]))) return;
    watch.tell({ upserts: wanted, absent: [], removals: [] });
    for (const resource of wanted) watch.acked.set(resource.name, { version: resource.version });
    watch.replyOwed = false;
  }

  return {
    onRequest(request): readonly DiscoveryResponse[] {
      node ??= request.node;
      const kind = kindOfTypeUrl(request.typeUrl);
      if (kind === undefined) return [];
      const watch = push.watch(kind) ?? push.open(kind);
      const answered = nonces.get(watch);
      if (answered === undefined || request.responseNonce === '') {
        subscribe(watch, request.resourceNames, answered === undefined);
        if (request.versionInfo !== '') brought.set(watch, request.versionInfo);
        if (snapshot !== undefined) resume(watch, snapshot);
      } else if (request.responseNonce === answered) {
        watch.answered(answered, request.errorDetail?.message, nowMs());
        subscribe(watch, request.resourceNames, false);
      }
      return push.flush();
    },
    onSnapshot(next): readonly DiscoveryResponse[] {
      snapshot = next;
      push.replace(next);
      for (const watch of [...brought.keys()]) resume(watch, next);
      return push.flush();
    },
    node: () => node,
    status: () => push.status(),
  };
}

/**
 * The list of names replaces the one before. An empty list asks for everything as long as the client
 * has never given a name; after that it asks for nothing.
 */
function subscribe(watch: Watch, names: readonly string[], first: boolean): void {
  watch.namesGiven ||= names.length > 0;
  const wildcard = names.includes('*') || (!watch.namesGiven && mayOmitNames(watch.kind));
  const before = new Set(watch.names);
  const wasWildcard = watch.wildcard;
  watch.wildcard = wildcard;
  watch.names.clear();
  for (const name of names) if (name !== '*') watch.names.add(name);
  const grown = (wildcard && !wasWildcard) || [...watch.names].some((name) => !before.has(name));
  for (const known of [...watch.told.keys()]) if (!watch.covers(known)) watch.forget(known);
  if (!first && !grown) return;
  watch.dirty = true;
  // Of these kinds the answer says by what it leaves out what is not there.
  if (resourceTypes[watch.kind].fullState && (wildcard || watch.names.size > 0)) watch.replyOwed = true;
}

/** All the client was told of, held removals among it. */
function wholeState(watch: Watch): Content {
  const upserts = [...watch.told].flatMap(([, { resource }]) => resource ?? []);
  return { upserts, absent: [], removals: [] };
}

function responseOf(watch: Watch, { upserts }: Content, nonce: string): DiscoveryResponse {
  const known = [...watch.told].map(([name, { version }]) => [name, version] as const);
  return create(DiscoveryResponseSchema, {
    typeUrl: resourceTypes[watch.kind].typeUrl,
    nonce,
    versionInfo: versionOfSet(known),
    resources: upserts.map(({ any }) => any),
  });
}
