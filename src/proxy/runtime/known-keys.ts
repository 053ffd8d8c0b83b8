/** Keys of the runtime with a meaning of their own, and which of them something reads. */

import { outlierKeys } from '../cluster/outlier/runtime-settings.ts';

/** What Envoy itself reads; other names are for the configuration to give. */
const RESERVED =
  /^(?:envoy|re2|overload|upstream|circuit_breakers|outlier_detection|health_check|http|tcp|ssl|tracing|router|fault|server|listener|conn_pool|stream|grpc|ratelimit|redis|thrift|mongo|csrf)\./;

const HONOURED: readonly RegExp[] = [
  /^overload\.global_downstream_max_connections$/,
  /^envoy\.resource_limits\.listener\..+\.connection_limit$/,
  /^circuit_breakers\..+\.(?:default|high)\.(?:max_connections|max_pending_requests|max_requests|max_retries|retry_budget\.(?:budget_percent|min_retry_concurrency))$/,
  /^health_check\.(?:min_interval|max_interval|verify_cluster)$/,
  /^upstream\.(?:healthy_panic_threshold|use_retry|base_retry_backoff_ms|maintenance_mode\..+)$/,
  /^fault\.http\./,
];

export function isReserved(key: string): boolean {
  return RESERVED.test(key);
}

export function isHonoured(key: string): boolean {
  return outlierKeys.includes(key) || HONOURED.some((pattern) => pattern.test(key));
}
