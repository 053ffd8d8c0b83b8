/** What a proxy is to have, in the form of Envoy's `/config_dump`, so that tools for that read this too. */
import { create, fromBinary, type JsonValue, toJson } from '@bufbuild/protobuf';
import { type Any, timestampFromMs } from '@bufbuild/protobuf/wkt';
import { ConfigDumpSchema } from '#xds/gen/envoy/admin/v3/config_dump_pb.js';
import {
  ClustersConfigDumpSchema,
  EndpointsConfigDumpSchema,
  ListenersConfigDumpSchema,
  RoutesConfigDumpSchema,
} from '#xds/gen/envoy/admin/v3/config_dump_shared_pb.js';
import { type VirtualHost, VirtualHostSchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { RouteConfigurationSchema } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import { packAny, registry } from '#xds/registry.ts';
import type { EncodedResource, Snapshot } from '#xds/snapshot.ts';
import { joinRoutes } from '../translate/virtual-host-discovery.ts';

/** Secrets are left out: they are nobody's to read. @param nowMs shown as the time of the last update. */
export function configDump(snapshot: Snapshot, nowMs: number): JsonValue {
  const lastUpdated = timestampFromMs(nowMs);
  const of = (kind: keyof Snapshot): EncodedResource[] => [...snapshot[kind].values()];
  const clusters = create(ClustersConfigDumpSchema, {
    dynamicActiveClusters: of('cluster').map(({ version, any }) => ({
      versionInfo: version,
      cluster: any,
      lastUpdated,
    })),
  });
  const endpoints = create(EndpointsConfigDumpSchema, {
    dynamicEndpointConfigs: of('endpoint').map(({ version, any }) => ({
      versionInfo: version,
      endpointConfig: any,
      lastUpdated,
    })),
  });
  const listeners = create(ListenersConfigDumpSchema, {
    dynamicListeners: of('listener').map(({ name, version, any }) => ({
      name,
      activeState: { versionInfo: version, listener: any, lastUpdated },
    })),
  });
  const hosts = of('virtualHost').map(({ any }) => fromBinary(VirtualHostSchema, any.value));
  const routes = create(RoutesConfigDumpSchema, {
    dynamicRouteConfigs: of('route').map(({ version, any }) => ({
      versionInfo: version,
      routeConfig: withHosts(any, hosts),
      lastUpdated,
    })),
  });
  const dump = create(ConfigDumpSchema, {
    configs: [
      packAny(ClustersConfigDumpSchema, clusters),
      packAny(EndpointsConfigDumpSchema, endpoints),
      packAny(ListenersConfigDumpSchema, listeners),
      packAny(RoutesConfigDumpSchema, routes),
    ],
  });
  return toJson(ConfigDumpSchema, dump, { registry, useProtoFieldName: true });
}

/** As Envoy shows them: routes with the virtual hosts that came by themselves. */
function withHosts(any: Any, hosts: readonly VirtualHost[]): Any {
  const routes = fromBinary(RouteConfigurationSchema, any.value);
  if (routes.vhds === undefined) return any;
  return packAny(RouteConfigurationSchema, joinRoutes(routes, hosts));
}
