/** The client's end of a delta ADS stream (xDS protocol, "Incremental xDS"). */
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { Steps } from '#core/time-slice.ts';
import type { Node } from '../gen/envoy/config/core/v3/base_pb.js';
import {
  type DeltaDiscoveryRequest,
  DeltaDiscoveryRequestSchema,
  type DeltaDiscoveryResponse,
} from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import { healthInformationType } from '../health-information.ts';
import { kindOfTypeUrl, type ResourceKind, resourceKinds, resourceTypes } from '../resource-type.ts';
import type { AnyUpdate, ClientStream } from './contract.ts';
import {
  assertAcceptable,
  errorDetail,
  expiryOf,
  healthDetail,
  Subscription,
  updateFrom,
} from './subscription.ts';

export type DeltaClientStream = ClientStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

const nothingHeld: ReadonlyMap<string, string> = new Map();

/** @param node is sent with the first request of each connection. */
export function createDeltaClientStream(node: Node): DeltaClientStream {
  const subscriptions = new Map<ResourceKind, Subscription>();
  /** What was asked for on this connection. */
  const opened = new Set<ResourceKind>();
  let open = false;
  let introduced = false;
  /** Undefined before it was said. */
  let health: { readonly failure: string | undefined } | undefined;

  function request(
    typeUrl: string,
    fields: MessageInitShape<typeof DeltaDiscoveryRequestSchema>,
  ): DeltaDiscoveryRequest {
    const first = !introduced;
    introduced = true;
    return create(DeltaDiscoveryRequestSchema, {
      ...fields,
      typeUrl,
      ...(first ? { node } : {}),
    });
  }

  function report(): readonly DeltaDiscoveryRequest[] {
    if (!open || health === undefined) return [];
    const error = healthDetail(health.failure);
    return [request(healthInformationType, error === undefined ? {} : { errorDetail: error })];
  }

  /** The first request for a kind on a connection. */
  function opening({ kind, wildcard, names, held }: Subscription, anew = false): DeltaDiscoveryRequest {
    opened.add(kind);
    return request(resourceTypes[kind].typeUrl, {
      // A lone "*" is said the older way, by no names, which every server understands.
      resourceNamesSubscribe: wildcard && names.size > 0 ? ['*', ...names] : [...names],
      initialResourceVersions: anew ? {} : Object.fromEntries(held),
    });
  }

  return {
    connected(anew): readonly DeltaDiscoveryRequest[] {
      open = true;
      introduced = false;
      opened.clear();
      const wanted = resourceKinds.flatMap((kind) => subscriptions.get(kind) ?? []);
      return [
        ...report(),
        ...wanted
          .filter(({ wildcard, names }) => wildcard || names.size > 0)
          .map((one) => opening(one, anew)),
      ];
    },
    disconnected(): void {
      open = false;
    },
    subscribe(kind, names): readonly DeltaDiscoveryRequest[] {
      const subscription = subscriptions.get(kind) ?? new Subscription(kind);
      subscriptions.set(kind, subscription);
      const fresh = subscription.add(names);
      if (!open || fresh.length === 0) return [];
      return [
        opened.has(kind)
          ? request(resourceTypes[kind].typeUrl, { resourceNamesSubscribe: fresh })
          : opening(subscription),
      ];
    },
    unsubscribe(kind, names): readonly DeltaDiscoveryRequest[] {
      const gone = subscriptions.get(kind)?.remove(names) ?? [];
      return open && gone.length > 0
        ? [request(resourceTypes[kind].typeUrl, { resourceNamesUnsubscribe: gone })]
        : [];
    },
    *receive(response): Steps<AnyUpdate | undefined> {
      const kind = kindOfTypeUrl(response.typeUrl);
      const subscription = kind === undefined ? undefined : subscriptions.get(kind);
      if (kind === undefined || subscription === undefined) return undefined;
      const incoming = response.resources.map(({ name, aliases, version, resource, ttl }) => ({
        name,
        aliases,
        version,
        any: resource,
        ttl,
      }));
      return yield* updateFrom(kind, incoming, {
        nonce: response.nonce,
        version: response.systemVersionInfo,
        removed: response.removedResources,
        errors: response.resourceErrors,
        isHeld: ({ name = '', version }) => subscription.held.get(name) === version,
      });
    },
    ack(update): DeltaDiscoveryRequest {
      assertAcceptable(update);
      subscriptions.get(update.kind)?.apply(update);
      return request(resourceTypes[update.kind].typeUrl, { responseNonce: update.nonce });
    },
    nack(update, problems, applied = []): DeltaDiscoveryRequest {
      subscriptions.get(update.kind)?.apply(update, applied);
      return request(resourceTypes[update.kind].typeUrl, {
        responseNonce: update.nonce,
        errorDetail: errorDetail(update, problems),
      });
    },
    report(failure): readonly DeltaDiscoveryRequest[] {
      health = { failure };
      return report();
    },
    expire(kind, names): AnyUpdate {
      const update = expiryOf(kind, names);
      subscriptions.get(kind)?.apply(update);
      return update;
    },
    adopt(kind, name, version): void {
      const subscription = subscriptions.get(kind) ?? new Subscription(kind);
      subscriptions.set(kind, subscription);
      subscription.held.set(name, version);
    },
    held: (kind) => subscriptions.get(kind)?.held ?? nothingHeld,
  };
}
