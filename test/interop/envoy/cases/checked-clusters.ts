/** Clusters whose endpoints are checked. */
import { address, cluster, http2Cluster, type Message } from '../harness/bootstrap.ts';

/** One check, and none after it while a test runs. */
export const onlyOnce: Message = {
  timeout: '2s',
  interval: '300s',
  no_traffic_interval: '300s',
  unhealthy_threshold: 2,
  healthy_threshold: 2,
  event_log_path: '@FOLDER@/checks.log',
};

/** Many checks. */
export const interval: Message = { interval: '0.05s', no_traffic_interval: '0.05s' };

export const checked = (path: string, http: Message = {}, more: Message = {}): Message => ({
  ...onlyOnce,
  // So that nobody compares when they come.
  http_health_check: {
    path,
    request_headers_to_add: [{ header: { key: 'x-test', value: 'probe' } }],
    ...http,
  },
  ...more,
});

/** @param own settings of checks that its endpoints have. */
export function checkCluster(
  name: string,
  ports: readonly number[],
  check: Message,
  isHttp2 = false,
  own?: Message,
): Message {
  const endpoints = ports.map((port) => ({
    endpoint: { ...address(port), ...(own === undefined ? {} : { health_check_config: own }) },
  }));
  const more = {
    health_checks: [check],
    common_lb_config: { healthy_panic_threshold: { value: 0 }, update_merge_window: '0s' },
  };
  return isHttp2 ? http2Cluster(name, endpoints, more) : cluster(name, endpoints, more);
}
