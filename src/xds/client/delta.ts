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
import { assertAcceptable, errorDetail, healthDetail, Subscription, updateFrom } from './subscription.ts';

export type DeltaClientStream = ClientStream<DeltaDiscoveryRequest, DeltaDiscoveryResponse>;

const nothingHeld: ReadonlyMap<string, string> = new Map();

/** @param node is sent with the first request of each connection. */
export function createDeltaClientStream(node: Node): DeltaClientStream {
  const subscriptions = new Map<ResourceKind, Subscription>();
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
  function opening({ kind, wildcard, names, held }: Subscription): DeltaDiscoveryRequest {
    return request(resourceTypes[kind].typeUrl, {
      // A lone "*" is said the older way, by no names, which every server understands.
      resourceNamesSubscribe: wildcard && names.size > 0 ? ['*', ...names] : [...names],
      initialResourceVersions: Object.fromEntries(held),
    });
  }

  return {
    connected(): readonly DeltaDiscoveryRequest[] {
      open = true;
      introduced = false;
      const wanted = resourceKinds.flatMap((kind) => subscriptions.get(kind) ?? []);
      return [
        ...report(),
        ...wanted.filter(({ wildcard, names }) => wildcard || names.size > 0).map(opening),
      ];
    },
    disconnected(): void {
      open = false;
    },
    subscribe(kind, names): readonly DeltaDiscoveryRequest[] {
      const known = subscriptions.get(kind);
      const subscription = known ?? new Subscription(kind);
      subscriptions.set(kind, subscription);
      const fresh = subscription.add(names);
      if (!open || fresh.length === 0) return [];
      return [
        known === undefined
          ? opening(subscription)
          : request(resourceTypes[kind].typeUrl, { resourceNamesSubscribe: fresh }),
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
      if (kind === undefined || !subscriptions.has(kind)) return undefined;
      const incoming = response.resources.map(({ name, version, resource }) => ({
        name,
        version,
        any: resource,
      }));
      return yield* updateFrom(kind, incoming, {
        nonce: response.nonce,
        version: response.systemVersionInfo,
        removed: response.removedResources,
        errors: response.resourceErrors,
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
    held: (kind) => subscriptions.get(kind)?.held ?? nothingHeld,
  };
}
