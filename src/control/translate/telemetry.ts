/** The filter that counts by Istio's standard metrics: requests in an HTTP connection manager, else connections. */
import { create } from '@bufbuild/protobuf';
import type { Any } from '@bufbuild/protobuf/wkt';
import type { MeshSettings } from '#model/mesh-settings.ts';
import { type Filter, FilterSchema } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import {
  IstioStats_Reporter,
  IstioStatsSchema,
} from '#xds/gen/heddle/filters/http/istio_stats/v1/istio_stats_pb.js';
import type { ConnectionTraits } from './connection-policy.ts';
import { type ConnectionTarget, tcpProxy } from './listener.ts';
import { pack } from './message.ts';
import type { ProxyNode } from './node.ts';
import type { Workload } from './workload.ts';

/** Where in the mesh a listener stands. */
export type Side = 'inbound' | 'outbound' | 'gateway';

export const istioStatsName = 'heddle.filters.http.istio_stats';

const reporters: Readonly<Record<Side, IstioStats_Reporter>> = {
  inbound: IstioStats_Reporter.SERVER,
  outbound: IstioStats_Reporter.CLIENT,
  gateway: IstioStats_Reporter.GATEWAY,
};

/** @param self the workload beside the proxy. */
export function istioStats(side: Side, self: Workload): Any {
  return pack(IstioStatsSchema, { reporter: reporters[side], self: { ...self } });
}

/** All filters of a chain without HTTP. Only Heddle knows how to count its connections. */
export function tcpFilters(
  to: string | ConnectionTarget,
  side: Side,
  client: ProxyNode['client'],
  self: Workload,
  settings: MeshSettings,
  traits: ConnectionTraits = {},
): readonly Filter[] {
  const proxy = tcpProxy(to, settings, traits);
  if (client !== 'heddle') return [proxy];
  const configType = { case: 'typedConfig', value: istioStats(side, self) } as const;
  return [create(FilterSchema, { name: istioStatsName, configType }), proxy];
}
