/**
 * `envoy.filters.network.sni_dynamic_forward_proxy`: resolves the name in the ClientHello, which a
 * `dynamic_forward_proxy` cluster then connects to.
 */
import type { FilterConfig } from '#xds/gen/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import { readSharedCache } from '../dns/shared-cache.ts';
import type { Findings } from '../findings.ts';
import { stateKeys } from './filter-state.ts';
import type { NetworkFilter } from './network-filter.ts';

const MAX_PORT = 65535;
/** Envoy's default. */
const HTTPS_PORT = 443;

export function readSniDynamicForwardProxy(
  config: FilterConfig,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
): NetworkFilter {
  const { portSpecifier } = config;
  const port = portSpecifier.case === 'portValue' ? portSpecifier.value : HTTPS_PORT;
  if (port === 0 || port > MAX_PORT)
    findings.error(`${path}.port_value`, `${port} is no port (1 to ${MAX_PORT})`);
  findings.refuse(`${path}.save_upstream_address`, config.saveUpstreamAddress);
  const cache = readSharedCache(config.dnsCacheConfig, `${path}.dns_cache_config`, deps, findings);
  return {
    onConnection(connection) {
      const host = connection.requestedServerName;
      if (host === '' || cache === undefined) return undefined;
      const { state } = connection;
      state.set(stateKeys.dynamicHost, { text: host, hashable: false });
      state.set(stateKeys.dynamicPort, { text: String(port), hashable: false });
      // Without an address the cluster finds no endpoint, and says so.
      return cache.load({ host, port }, () => connection.proceed()) === 'waits' ? 'wait' : undefined;
    },
  };
}
