/** Fields of route tables that Envoy knows and this proxy does not do. */
import type { Route, VirtualHost } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { Findings } from '../findings.ts';

/** @returns the names of the plugins that may be left out */
export function refuseUnsupportedTable(config: RouteConfiguration, findings: Findings): Set<string> {
  findings.refuse('route_specifiers', config.routeSpecifiers.length > 0);
  if (config.validateClusters === true)
    findings.warn(
      'validate_clusters',
      'has no effect: requests for a cluster that is not there are answered with 503',
    );
  const optional = new Set<string>();
  config.clusterSpecifierPlugins.forEach(({ extension, isOptional }, i) => {
    const type = extension?.typedConfig?.typeUrl ?? '';
    const path = `cluster_specifier_plugins[${i}]`;
    if (extension === undefined) findings.error(`${path}.extension`, 'is missing');
    else if (isOptional) {
      optional.add(extension.name);
      findings.warn(path, `${type} is not supported, and optional: left out`);
    } else findings.error(path, `${type} is not supported`);
  });
  return optional;
}

export function refuseUnsupportedHost(host: VirtualHost, path: string, findings: Findings): void {
  if (host.matcher !== undefined)
    findings.error(`${path}.matcher`, 'is not supported: list the routes in routes');
  findings.refuse(`${path}.route_specifiers`, host.routeSpecifiers.length > 0);
  if (host.rateLimits.length > 0)
    findings.error(
      `${path}.rate_limits`,
      'is not supported: give the filter local_ratelimit rate_limits of its own',
    );
  if (host.cors !== undefined)
    findings.error(`${path}.cors`, 'is not supported: use typed_per_filter_config with a CorsPolicy');
}

export function refuseUnsupportedRoute(route: Route, path: string, findings: Findings): void {
  findings.refuse(`${path}.route_specifiers`, route.routeSpecifiers.length > 0);
  if (route.action.case === 'filterAction') findings.error(`${path}.filter_action`, 'is not supported');
  if (route.decorator !== undefined) findings.warn(`${path}.decorator`, 'has no effect: there are no traces');
  if (route.tracing !== undefined) findings.warn(`${path}.tracing`, 'has no effect: there are no traces');
}
