/** The route tables that stand inside a listener. */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import {
  type HttpConnectionManager,
  HttpConnectionManagerSchema,
} from '#xds/gen/envoy/extensions/filters/network/http_connection_manager/v3/http_connection_manager_pb.js';
import { unpackAny } from '#xds/registry.ts';

/** A route table and its path inside its listener. */
export interface InlineRoutes {
  readonly routes: RouteConfiguration;
  readonly path: string;
}

/**
 * The tables of all connection managers of `listener`.
 *
 * @param wanted which filters to look into; absent: all.
 */
export function inlineRoutes(
  { filterChains, defaultFilterChain }: Listener,
  wanted: (filter: Any) => boolean = () => true,
): InlineRoutes[] {
  const chains = filterChains.map((chain, i) => ({ chain, at: `filter_chains[${i}]` }));
  if (defaultFilterChain !== undefined)
    chains.push({ chain: defaultFilterChain, at: 'default_filter_chain' });
  return chains.flatMap(({ chain, at }) =>
    chain.filters.flatMap(({ configType }, i): InlineRoutes[] => {
      if (configType.case !== 'typedConfig' || !wanted(configType.value)) return [];
      const unpacked = unpackAny(configType.value);
      if (!unpacked.ok || unpacked.schema.typeName !== HttpConnectionManagerSchema.typeName) return [];
      const { routeSpecifier } = unpacked.message as HttpConnectionManager;
      if (routeSpecifier.case !== 'routeConfig') return [];
      return [{ routes: routeSpecifier.value, path: `${at}.filters[${i}].typed_config.route_config` }];
    }),
  );
}
