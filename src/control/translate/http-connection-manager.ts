/** The HTTP connection manager of each kind of listener, with its filters in order. */
import { create } from '@bufbuild/protobuf';
import type { Duration } from '@bufbuild/protobuf/wkt';
import type { MeshSettings } from '#model/mesh-settings.ts';
import type { GatewayTopology } from '#model/proxy-options.ts';
import type { Filter } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { FilterSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { FilterConfigSchema } from '#xds/gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.js';
import { GrpcWebSchema } from '#xds/gen/envoy/extensions/filters/http/grpc_web/v3/grpc_web_pb.js';
import { RouterSchema } from '#xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import {
  HttpConnectionManager_ForwardClientCertDetails as ForwardClientCert,
  HttpConnectionManagerSchema,
  type HttpFilterSchema,
  HttpConnectionManager_PathWithEscapedSlashesAction as PathWithEscapedSlashesAction,
} from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import {
  PeerMetadata_Direction,
  PeerMetadataSchema,
} from '#xds/gen/heddle/filters/http/peer_metadata/v1/peer_metadata_pb.js';
import { accessLogs } from './access-log.ts';
import { dnsCache } from './local-cluster.ts';
import { duration, fromAds, type Init, pack } from './message.ts';
import type { ProxyNode } from './node.ts';
import { routedFilters } from './route-filters.ts';
import type { RouteConfigurationInit } from './route-table.ts';
import { istioStats, istioStatsName, type Side } from './telemetry.ts';
import type { Workload } from './workload.ts';

export interface ManagerOptions {
  readonly side: Side;
  readonly statPrefix: string;
  /** The name of a RouteConfiguration, or the routes themselves. */
  readonly routes: string | RouteConfigurationInit;
  readonly settings: MeshSettings;
  readonly client: ProxyNode['client'];
  /** The workload beside the proxy. */
  readonly self: Workload;
  /** Whether callers know nothing of a proxy: they have looked hosts up, and may speak HTTP/1.0. */
  readonly captured: boolean;
  /** Looks up hosts that requests name, for clusters that ask for it. */
  readonly looksUp?: boolean;
  /** Takes `CONNECT host:port`. */
  readonly takesConnect?: boolean;
  /** Takes calls of browsers. */
  readonly grpcWeb?: boolean;
  /** What stands in front of a gateway. */
  readonly topology?: GatewayTopology;
}

type ManagerInit = Init<typeof HttpConnectionManagerSchema>;
type HttpFilterInit = Init<typeof HttpFilterSchema>;

const never: Pick<Duration, 'seconds' | 'nanos'> = duration(0);

export const routerFilter: HttpFilterInit = {
  name: 'envoy.filters.http.router',
  configType: { case: 'typedConfig', value: pack(RouterSchema, {}) },
};

const forwardFilter: HttpFilterInit = {
  name: 'envoy.filters.http.dynamic_forward_proxy',
  configType: {
    case: 'typedConfig',
    value: pack(FilterConfigSchema, { implementationSpecifier: { case: 'dnsCacheConfig', value: dnsCache } }),
  },
};

export function connectionManager(options: ManagerOptions): Filter {
  const { side, statPrefix, routes, captured, settings, takesConnect = false, topology } = options;
  const { numTrustedProxies = 0 } = topology ?? {};
  const init: ManagerInit = {
    statPrefix,
    routeSpecifier:
      typeof routes === 'string'
        ? { case: 'rds', value: { configSource: fromAds, routeConfigName: routes } }
        : { case: 'routeConfig', value: routes },
    httpFilters: httpFilters(options),
    serverName: 'heddle',
    // A stream may be idle for as long as its application likes; routes have timeouts.
    streamIdleTimeout: never,
    generateRequestId: true,
    ...normalized(settings),
    ...accessLogs(settings),
    useRemoteAddress: side === 'gateway',
    ...clientCertificate(side, topology),
    ...(numTrustedProxies > 0 && { xffNumTrustedHops: numTrustedProxies }),
    // There is no other way to the address of a service (Istio's PILOT_HTTP10).
    ...(captured && { httpProtocolOptions: { acceptHttp10: true } }),
    upgradeConfigs: [{ upgradeType: 'websocket' }, ...(takesConnect ? [{ upgradeType: 'CONNECT' }] : [])],
  };
  return create(FilterSchema, {
    name: 'envoy.filters.network.http_connection_manager',
    configType: { case: 'typedConfig', value: pack(HttpConnectionManagerSchema, init) },
  });
}

/** How far a path is put into one form before routes and policies see it (Istio's `pathNormalization`). */
function normalized({ pathNormalization }: MeshSettings): ManagerInit {
  if (pathNormalization === 'NONE') return {};
  const mergeSlashes = pathNormalization !== 'BASE';
  return {
    normalizePath: true,
    ...(mergeSlashes && { mergeSlashes }),
    ...(pathNormalization === 'DECODE_AND_MERGE_SLASHES' && {
      pathWithEscapedSlashesAction: PathWithEscapedSlashesAction.UNESCAPE_AND_FORWARD,
    }),
  };
}

/** `x-forwarded-client-cert`: a gateway writes it anew, a sidecar adds who called to what it was told. */
function clientCertificate(
  side: Side,
  { forwardClientCertDetails: said }: GatewayTopology = {},
): ManagerInit {
  if (side === 'outbound') return {};
  const own = side === 'gateway' ? 'SANITIZE_SET' : 'APPEND_FORWARD';
  const details = said === undefined || said === 'UNDEFINED' ? own : said;
  const isWritten = details === 'SANITIZE_SET' || details === 'APPEND_FORWARD';
  return {
    forwardClientCertDetails: ForwardClientCert[details],
    ...(isWritten && { setCurrentClientCertDetails: { subject: true, uri: true, dns: true } }),
  };
}

const grpcWebFilter: HttpFilterInit = {
  name: 'envoy.filters.http.grpc_web',
  configType: { case: 'typedConfig', value: pack(GrpcWebSchema, {}) },
};

function httpFilters({
  side,
  client,
  self,
  looksUp = false,
  grpcWeb = false,
}: ManagerOptions): HttpFilterInit[] {
  const own = client === 'heddle' ? heddleFilters(side, self) : [];
  return [
    ...own,
    ...(grpcWeb ? [grpcWebFilter] : []),
    // Routes of a VirtualService do not concern what comes in.
    ...(side === 'inbound' ? [] : routedFilters(client)),
    ...(looksUp ? [forwardFilter] : []),
    routerFilter,
  ];
}

/** Filters that only Heddle knows; optional, so that nothing else would refuse them. */
function heddleFilters(side: Side, self: Workload): HttpFilterInit[] {
  const direction = side === 'inbound' ? PeerMetadata_Direction.INBOUND : PeerMetadata_Direction.OUTBOUND;
  return [
    {
      name: 'heddle.filters.http.peer_metadata',
      isOptional: true,
      configType: {
        case: 'typedConfig',
        value: pack(PeerMetadataSchema, { direction, self: { ...self }, onlyWithinMesh: true }),
      },
    },
    {
      name: istioStatsName,
      isOptional: true,
      configType: { case: 'typedConfig', value: istioStats(side, self) },
    },
  ];
}
