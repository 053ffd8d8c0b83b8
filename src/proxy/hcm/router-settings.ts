/** What the router is told (Envoy, `Router`). */
import type { Router } from '#xds/gen/envoy/extensions/filters/http/router/v3/router_pb.js';
import type { Findings } from '../findings.ts';

export interface RouterSettings {
  readonly suppressEnvoyHeaders: boolean;
  readonly respectExpectedTimeout: boolean;
}

/** @param config undefined where it could not be read */
export function readRouter(config: Router | undefined, at: string, findings: Findings): RouterSettings {
  const refused: Readonly<Record<string, boolean | undefined>> = {
    upstream_log: config !== undefined && config.upstreamLog.length > 0,
    upstream_log_options: config?.upstreamLogOptions !== undefined,
    strict_check_headers: config !== undefined && config.strictCheckHeaders.length > 0,
    upstream_http_filters: config !== undefined && config.upstreamHttpFilters.length > 0,
    reject_connect_request_early_data: config?.rejectConnectRequestEarlyData,
    suppress_grpc_request_failure_code_stats: config?.suppressGrpcRequestFailureCodeStats,
  };
  for (const [field, isSet] of Object.entries(refused)) findings.refuse(`${at}.${field}`, isSet === true);
  if (config?.startChildSpan === true)
    findings.warn(`${at}.start_child_span`, 'has no effect: requests are not traced');
  if (config?.dynamicStats === false)
    findings.warn(`${at}.dynamic_stats`, 'has no effect: statistics of responses are always there');
  return {
    suppressEnvoyHeaders: config?.suppressEnvoyHeaders ?? false,
    respectExpectedTimeout: config?.respectExpectedRqTimeout ?? false,
  };
}
