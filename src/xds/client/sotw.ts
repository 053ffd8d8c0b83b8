/** The client's end of a state-of-the-world ADS stream (xDS protocol, "Basic protocol overview"). */
import { create, fromBinary } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Steps } from '#core/time-slice.ts';
import type { Node } from '../gen/envoy/config/core/v3/base_pb.js';
import {
  type DiscoveryRequest,
  DiscoveryRequestSchema,
  type DiscoveryResponse,
  ResourceSchema,
} from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import type { Status } from '../gen/google/rpc/status_pb.js';
import { healthInformationType } from '../health-information.ts';
import { typeUrlOf } from '../registry.ts';
import { kindOfTypeUrl, type ResourceKind, resourceKinds, resourceTypes } from '../resource-type.ts';
import type { AnyUpdate, ClientStream } from './contract.ts';
import {
  assertAcceptable,
  errorDetail,
  expiryOf,
  healthDetail,
  type Incoming,
  Subscription,
  updateFrom,
} from './subscription.ts';

export type SotwClientStream = ClientStream<DiscoveryRequest, DiscoveryResponse>;

/** What stands inside a `Resource`, which says how long it is good for. */
function unwrapped(any: Any, version: string): Incoming {
  if (any.typeUrl !== wrapperType) return { any, version };
  try {
    const { name, resource, ttl } = fromBinary(ResourceSchema, any.value);
    return { any: resource, version, ttl, ...(name !== '' && { name }) };
  } catch {
    // What is wrong with it is told by who decodes it.
    return { any, version };
  }
}

const wrapperType = typeUrlOf(ResourceSchema);

const nothingHeld: ReadonlyMap<string, string> = new Map();

/** @param node is sent with the first request of each connection. */
export function createSotwClientStream(node: Node): SotwClientStream {
  const subscriptions = new Map<ResourceKind, Subscription>();
  let open = false;
  let introduced = false;
  /** Undefined before it was said. */
  let health: { readonly failure: string | undefined } | undefined;

  /** Every request says the whole of what is wanted and the last of what was accepted. */
  function request(subscription: Subscription, error?: Status): DiscoveryRequest {
    const { kind, wildcard, names, versionInfo, nonce } = subscription;
    const first = !introduced;
    introduced = true;
    return create(DiscoveryRequestSchema, {
      typeUrl: resourceTypes[kind].typeUrl,
      versionInfo,
      responseNonce: nonce,
      resourceNames: wildcard && names.size > 0 ? ['*', ...names] : [...names],
      ...(first ? { node } : {}),
      ...(error === undefined ? {} : { errorDetail: error }),
    });
  }

  function report(): readonly DiscoveryRequest[] {
    if (!open || health === undefined) return [];
    const first = !introduced;
    introduced = true;
    const error = healthDetail(health.failure);
    return [
      create(DiscoveryRequestSchema, {
        typeUrl: healthInformationType,
        ...(first ? { node } : {}),
        ...(error === undefined ? {} : { errorDetail: error }),
      }),
    ];
  }

  function answer(update: AnyUpdate, error?: Status): DiscoveryRequest {
    const subscription = subscriptions.get(update.kind);
    if (subscription === undefined)
      throw new Error(`an update of kind ${update.kind} was answered but never asked for`);
    subscription.nonce = update.nonce;
    if (error === undefined) subscription.versionInfo = update.version;
    return request(subscription, error);
  }

  return {
    connected(anew = false): readonly DiscoveryRequest[] {
      open = true;
      introduced = false;
      const wanted = resourceKinds.flatMap((kind) => subscriptions.get(kind) ?? []);
      for (const subscription of wanted) {
        subscription.nonce = '';
        if (anew) subscription.versionInfo = '';
      }
      const asking = wanted.filter(({ wildcard, names }) => wildcard || names.size > 0);
      return [...report(), ...asking.map((one) => request(one))];
    },
    disconnected(): void {
      open = false;
    },
    subscribe(kind, names): readonly DiscoveryRequest[] {
      const subscription = subscriptions.get(kind) ?? new Subscription(kind);
      subscriptions.set(kind, subscription);
      const fresh = subscription.add(names);
      return open && fresh.length > 0 ? [request(subscription)] : [];
    },
    unsubscribe(kind, names): readonly DiscoveryRequest[] {
      const subscription = subscriptions.get(kind);
      if (subscription === undefined || subscription.remove(names).length === 0 || !open) return [];
      return [request(subscription)];
    },
    *receive(response): Steps<AnyUpdate | undefined> {
      const kind = kindOfTypeUrl(response.typeUrl);
      const subscription = kind === undefined ? undefined : subscriptions.get(kind);
      if (kind === undefined || subscription === undefined) return undefined;
      const { nonce, versionInfo: version } = response;
      const incoming = response.resources.map((any) => unwrapped(any, version));
      const update = yield* updateFrom(kind, incoming, {
        nonce,
        version,
        removed: [],
        errors: response.resourceErrors,
        isHeld: ({ name = '' }) => version === subscription.versionInfo && subscription.held.has(name),
      });
      if (!resourceTypes[kind].fullState) return update;
      const sent = new Set([...update.changed.map(({ name }) => name), ...update.lifetimes.keys()]);
      return {
        ...update,
        removed: [...subscription.held.keys()].filter((name) => !sent.has(name)),
      } as AnyUpdate;
    },
    ack(update): DiscoveryRequest {
      assertAcceptable(update);
      subscriptions.get(update.kind)?.apply(update);
      return answer(update);
    },
    nack(update, problems, applied = []): DiscoveryRequest {
      // What is missing beside something malformed may be just that: nothing is taken away.
      subscriptions.get(update.kind)?.apply({ ...update, removed: [] }, applied);
      return answer(update, errorDetail(update, problems));
    },
    report(failure): readonly DiscoveryRequest[] {
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
