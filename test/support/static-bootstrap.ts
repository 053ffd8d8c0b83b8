/** What a control plane would send, as static resources of a bootstrap. */
import assert from 'node:assert/strict';
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { ProxySnapshot } from '#control/translate/snapshot.ts';
import { SIDECAR_MARK } from '#host/network/sidecar-mark.ts';
import { ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { ClusterLoadAssignmentSchema } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import { ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { Holder } from './certificates.ts';
import { json } from './golden-case.ts';

/** Routes stand inside the listeners, as a file has no RDS. */
export function staticListeners({ listeners, routes }: ProxySnapshot): JsonValue[] {
  const byName = new Map(routes.map((route) => [route.name, json(RouteConfigurationSchema, route)]));
  return listeners.map((listener) =>
    rewrite(json(ListenerSchema, listener), (key, field) => {
      if (key !== 'rds') return [key, field];
      const route = byName.get(String((field as JsonObject).routeConfigName));
      assert.ok(route !== undefined, `no routes of the name ${JSON.stringify(field)}`);
      return ['routeConfig', route];
    }),
  );
}

/**
 * A whole sidecar in a file: endpoints stand in their clusters and secrets beside them, and what it sends itself has
 * the mark by which the kernel knows it.
 */
export function staticSidecar(snapshot: ProxySnapshot, identity: Holder, trusted: string): JsonObject {
  const assignments = new Map(snapshot.endpoints.map((one) => [one.clusterName, one]));
  const clusters = snapshot.clusters.map((message): JsonValue => {
    const cluster = json(ClusterSchema, message) as JsonObject;
    const { edsClusterConfig, ...rest } = cluster;
    const assignment = assignments.get(message.name);
    return {
      ...rest,
      ...(edsClusterConfig !== undefined && { type: 'STATIC' }),
      ...(assignment !== undefined && { loadAssignment: json(ClusterLoadAssignmentSchema, assignment) }),
      upstreamBindConfig: cluster.upstreamBindConfig ?? { socketOptions: [mark] },
    };
  });
  const { cert, key } = identity;
  return {
    node: { id: 'test', cluster: 'test' },
    admin: { address: { socketAddress: { address: '127.0.0.1', portValue: 15_000 } } },
    staticResources: {
      clusters: clusters.map(withoutSds),
      listeners: staticListeners(snapshot).map(withoutSds),
      secrets: [
        {
          name: 'default',
          tlsCertificate: { certificateChain: { inlineString: cert }, privateKey: { inlineString: key } },
        },
        { name: 'ROOTCA', validationContext: { trustedCa: { inlineString: trusted } } },
      ],
    },
  };
}

/** `SO_MARK` of `SOL_SOCKET` (asm-generic/socket.h). */
const mark: JsonObject = { level: 1, name: 36, intValue: SIDECAR_MARK, state: 'STATE_PREBIND' };

/** A secret without a place is one of the bootstrap. */
function withoutSds(value: JsonValue): JsonValue {
  return rewrite(value, (key, field) => (key === 'sdsConfig' ? undefined : [key, field]));
}

type Field = readonly [key: string, value: JsonValue];

function rewrite(value: JsonValue, change: (...field: Field) => Field | undefined): JsonValue {
  if (Array.isArray(value)) return value.map((item) => rewrite(item, change));
  if (typeof value !== 'object' || value === null) return value;
  const fields = Object.entries(value).flatMap(([key, field]) => {
    const changed = change(key, rewrite(field, change));
    return changed === undefined ? [] : [changed];
  });
  return Object.fromEntries(fields);
}
