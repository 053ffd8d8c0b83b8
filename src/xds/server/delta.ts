/**
 * The server's end of a delta ADS stream: only what changed since the client's last acknowledged versions,
 * and what went away (xDS protocol, "Incremental xDS").
 */
import { create } from '@bufbuild/protobuf';
import type { Node } from '../gen/envoy/config/core/v3/base_pb.js';
import {
  type DeltaDiscoveryRequest,
  type DeltaDiscoveryResponse,
  DeltaDiscoveryResponseSchema,
  ResourceSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import { kindOfTypeUrl, type ResourceKind, resourceTypes } from '../resource-type.ts';
import { type ResourceMap, versionOfSet } from '../snapshot.ts';
import type { ServerStream, ServerStreamOptions } from './contract.ts';
import { Push } from './push.ts';
import { type Content, mayOmitNames, type Watch } from './watch.ts';

export type DeltaServerStream = ServerStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

export function createDeltaServerStream({ nowMs, snapshot }: ServerStreamOptions): DeltaServerStream {
  let node: Node | undefined;
  let lastNonce = 0;

  const push = new Push<DeltaDiscoveryResponse>(
    snapshot,
    (watch, content) => {
      const nonce = String(++lastNonce);
      watch.sent(nonce, content, nowMs());
      return responseOf(watch, content, nonce);
    },
    true,
  );

  return {
    onRequest(request): readonly DeltaDiscoveryResponse[] {
      node ??= request.node;
      const kind = kindOfTypeUrl(request.typeUrl);
      if (kind === undefined) return [];
      let watch = push.watch(kind);
      if (watch === undefined) {
        watch = push.open(kind);
        begin(watch, request, push.resources(kind));
        if (!watch.told.isEmpty) push.resumed(kind);
      } else {
        push.opened();
        const { responseNonce, errorDetail } = request;
        if (responseNonce !== '') watch.answered(responseNonce, errorDetail?.message, nowMs());
        subscribe(watch, request.resourceNamesSubscribe, push.resources(kind));
        unsubscribe(watch, request.resourceNamesUnsubscribe);
      }
      return push.flush();
    },
    onSnapshot(next): readonly DeltaDiscoveryResponse[] {
      push.replace(next);
      return push.flush();
    },
    node: () => node,
    status: () => push.status(),
  };
}

/** The first request for a kind: no names at all ask for everything, and the versions are those of an earlier stream. */
function begin(watch: Watch, request: DeltaDiscoveryRequest, resources: ResourceMap): void {
  const { resourceNamesSubscribe: names, initialResourceVersions: versions } = request;
  watch.wildcard = names.includes('*') || (names.length === 0 && isAskedWithoutNames(watch.kind));
  for (const name of names) if (name !== '*') watch.names.add(sameText(name, resources));
  if (names.length >= MANY) watch.names.share(resources.keys());
  watch.hold(versions, resources);
  // A client that starts afresh waits for an answer, even if it is that there is nothing.
  watch.replyOwed = watch.wildcard && watch.told.isEmpty;
}

/** Names at once of which it is worth to find out whether they are all that there are. */
const MANY = 64;

/** Many clients name the same: their names are not to be in memory once for each of them. */
function sameText(name: string, resources: ResourceMap): string {
  return resources.get(name)?.name ?? name;
}

/** Virtual hosts by Envoy: what is of no routes that it has, it passes over. */
function isAskedWithoutNames(kind: ResourceKind): boolean {
  return mayOmitNames(kind) || kind === 'virtualHost';
}

/** A name subscribed to again is sent again: the client may have forgotten what it had. */
function subscribe(watch: Watch, names: readonly string[], resources: ResourceMap): void {
  for (const name of names) {
    watch.dirty = true;
    if (name === '*') {
      if (!watch.wildcard) watch.wantAll(true);
      watch.replyOwed = true;
    } else {
      const known = sameText(name, resources);
      watch.want(known);
      watch.owed.add(known);
    }
  }
  if (names.length >= MANY) watch.names.share(resources.keys());
}

function unsubscribe(watch: Watch, names: readonly string[]): void {
  for (const name of names) {
    if (name === '*') {
      watch.wantAll(false);
      for (const known of [...watch.told.keys()]) if (!watch.names.has(known)) watch.forget(known);
      continue;
    }
    watch.names.delete(name);
    if (watch.wildcard) {
      // The client dropped it, and yet it is part of everything: it is told again.
      watch.owed.add(name);
      watch.dirty = true;
    } else {
      watch.forget(name);
    }
  }
}

function responseOf(
  watch: Watch,
  { upserts, absent, removals }: Content,
  nonce: string,
): DeltaDiscoveryResponse {
  const kind: ResourceKind = watch.kind;
  return create(DeltaDiscoveryResponseSchema, {
    typeUrl: resourceTypes[kind].typeUrl,
    nonce,
    systemVersionInfo: versionOfSet(upserts.map(({ name, version }) => [name, version])),
    resources: upserts.map(({ name, version, any }) =>
      create(ResourceSchema, { name, version, resource: any }),
    ),
    removedResources: [...absent, ...removals],
  });
}
