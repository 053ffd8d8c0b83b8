/** What clients of gRPC without a proxy leave undone of a traffic policy. */
import type { ConnectionPoolPolicy } from '#model/connection-pool.ts';
import type { LoadBalancerPolicy } from '#model/load-balancer.ts';
import type { HostTrafficPolicy } from '#model/traffic-policy.ts';
import type { Lose } from './grpc-route-loss.ts';

export function policyLosses(policy: HostTrafficPolicy, lose: Lose): void {
  const { loadBalancer, connectionPool, outlierDetection, tls, proxyProtocol, retryBudget } = policy;
  if (loadBalancer !== undefined)
    balancingLosses(loadBalancer, (path, ...rest) => lose(['loadBalancer', ...path], ...rest));
  if (connectionPool !== undefined)
    poolLosses(connectionPool, (path, ...rest) => lose(['connectionPool', ...path], ...rest));
  if (outlierDetection !== undefined)
    lose(
      ['outlierDetection'],
      'count no errors: they leave out endpoints to which no connection can be made',
    );
  if (tls?.mode === 'SIMPLE' || tls?.mode === 'MUTUAL')
    lose(['tls', 'mode'], `cannot do ${tls.mode}: calls fail, as they would be in plain text`);
  if (tls?.mode === 'ISTIO_MUTUAL' && tls.sni !== undefined) lose(['tls', 'sni'], 'ask for the host');
  if (proxyProtocol !== undefined) lose(['proxyProtocol'], 'do not tell who calls');
  if (retryBudget !== undefined) lose(['retryBudget'], 'retry without a budget');
}

function balancingLosses(policy: LoadBalancerPolicy, lose: Lose): void {
  const { simple, consistentHash: hash, warmup, warmupDurationSecs } = policy;
  if (simple === 'PASSTHROUGH') lose(['simple'], 'choose an endpoint, one after the other');
  if (warmup !== undefined) lose(['warmup'], 'give new endpoints all of their share');
  if (warmupDurationSecs !== undefined) lose(['warmupDurationSecs'], 'give new endpoints all of their share');
  if (hash === undefined) return;
  if (hash.maglev !== undefined) lose(['consistentHash', 'maglev'], 'use a ring instead');
  for (const name of ['httpCookie', 'useSourceIp', 'httpQueryParameterName'] as const)
    if (hash[name] !== undefined && hash[name] !== false)
      lose(['consistentHash', name], 'hash by headers alone: calls go to any endpoint', 'use httpHeaderName');
}

function poolLosses({ tcp, http }: ConnectionPoolPolicy, lose: Lose): void {
  if (tcp !== undefined) lose(['tcp'], 'make connections by their own rules');
  for (const name of Object.keys(http ?? {}))
    if (name !== 'http2MaxRequests') lose(['http', name], 'limit calls under way (http2MaxRequests) alone');
}
