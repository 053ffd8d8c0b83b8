/** Patches of EnvoyFilters for which there is a field that is checked (HED0014). */
import type { Analyzer } from '../analyzer.ts';
import { asObject, asObjects, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';

/** Fields of Envoy, in snake case, by what the patch applies to; where the same is written. */
const typed: Readonly<Record<string, readonly (readonly [steps: readonly string[], instead: string])[]>> = {
  CLUSTER: [
    [['connect_timeout'], 'trafficPolicy.connectionPool.tcp.connectTimeout of a DestinationRule'],
    [['circuit_breakers'], 'trafficPolicy.connectionPool of a DestinationRule'],
    [['health_checks'], 'healthCheck of a ResiliencePolicy'],
    [['outlier_detection'], 'trafficPolicy.outlierDetection of a DestinationRule'],
    [['lb_policy'], 'trafficPolicy.loadBalancer of a DestinationRule'],
    [
      ['upstream_connection_options', 'tcp_keepalive'],
      'connectionPool.tcp.tcpKeepalive of a DestinationRule',
    ],
  ],
  HTTP_ROUTE: [
    [['route', 'timeout'], 'http[].timeout of a VirtualService'],
    [['route', 'retry_policy'], 'http[].retries of a VirtualService'],
    [['route', 'hedge_policy'], 'hedging of a ResiliencePolicy'],
    [['route', 'hash_policy'], 'trafficPolicy.loadBalancer.consistentHash of a DestinationRule'],
    [['route', 'cors'], 'http[].corsPolicy of a VirtualService'],
    [['route', 'request_mirror_policies'], 'http[].mirrors of a VirtualService'],
    [['request_headers_to_add'], 'http[].headers.request of a VirtualService'],
    [['response_headers_to_add'], 'http[].headers.response of a VirtualService'],
  ],
};

export const envoyFilterFieldAnalyzer: Analyzer = {
  name: 'envoyfilter.TypedFieldAnalyzer',
  description: 'Patches of what a field of Istio says as well',
  codes: ['HED0014'],
  analyze: (world) =>
    world.istio('EnvoyFilter').flatMap((filter) =>
      asObjects(filter.spec.configPatches).flatMap(({ applyTo, patch }, index): Message[] => {
        const { operation, value } = asObject(patch);
        if (operation !== 'MERGE') return [];
        const fields = typed[String(applyTo)] ?? [];
        return fields.flatMap(([steps, instead]) => {
          const written = [steps, steps.map(camelCase)].find((path) => valueAt(value, ...path) !== undefined);
          if (written === undefined) return [];
          const path = ['spec', 'configPatches', index, 'patch', 'value', ...written];
          return [message('HED0014', filter, path, 'there is a field for this', `write ${instead}`)];
        });
      }),
    ),
};

function camelCase(name: string): string {
  return name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase());
}
