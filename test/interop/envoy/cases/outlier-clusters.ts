/** Clusters with outlier detection, each for one case. */
import { cluster, type Message } from '../harness/bootstrap.ts';

export const watched = (detection: Message, more: Message = {}): Message => ({
  outlier_detection: { interval: '100s', max_ejection_percent: 100, ...detection },
  // What changes takes effect at once.
  common_lb_config: { healthy_panic_threshold: { value: 0 }, update_merge_window: '0s' },
  ...more,
});
export const two = { consecutive_5xx: 2 };
const gatewayOnly = {
  consecutive_5xx: 100,
  consecutive_gateway_failure: 2,
  enforcing_consecutive_gateway_failure: 100,
};
const never = {
  consecutive_5xx: 0,
  consecutive_gateway_failure: 0,
  interval: '0.5s',
  base_ejection_time: '100s',
};
const REFUSED = 1;

export const clusters = (a: number, b: number): Message[] => [
  cluster('a', [a]),
  cluster('row', [a], watched({ consecutive_5xx: 3 })),
  cluster('broken', [a], watched({ consecutive_5xx: 3 })),
  cluster('gateway', [a], watched(gatewayOnly)),
  cluster('mixed', [a], watched(gatewayOnly)),
  cluster('lenient', [a], watched({ ...two, enforcing_consecutive_5xx: 0 })),
  cluster('share', [a], watched({ ...two, max_ejection_percent: 10 })),
  cluster('one', [a], watched({ ...two, max_ejection_percent: 10, always_eject_one_host: true })),
  cluster('refused', [REFUSED], watched(two)),
  cluster(
    'apart',
    [REFUSED],
    watched({ consecutive_local_origin_failure: 2, split_external_local_origin_errors: true }),
  ),
  cluster(
    'answered',
    [a],
    watched({
      consecutive_5xx: 9,
      consecutive_local_origin_failure: 2,
      split_external_local_origin_errors: true,
    }),
  ),
  cluster('late', [a], watched(gatewayOnly)),
  cluster('tries', [a], watched(gatewayOnly)),
  cluster('lost', [a], watched(two)),
  cluster('again', [a], watched({ consecutive_5xx: 3 })),
  cluster('grpc', [a], watched(gatewayOnly)),
  cluster('fine', [a], watched(two)),
  cluster('odd', [a], watched(two)),
  cluster('plain', [a], watched(two)),
  cluster('back', [a], watched({ ...two, interval: '0.1s', base_ejection_time: '0.3s' })),
  cluster('pool', [a], watched(two, { common_lb_config: {} })),
  cluster('tcp', [REFUSED], watched(two)),
  cluster('told', [a], watched({ ...two, interval: '0.1s', base_ejection_time: '0.3s' })),
  cluster(
    'rates',
    [a, b, REFUSED],
    watched({
      ...never,
      success_rate_minimum_hosts: 3,
      success_rate_request_volume: 3,
      success_rate_stdev_factor: 500,
    }),
  ),
  cluster(
    'percentage',
    [a, b, REFUSED],
    watched({
      ...never,
      failure_percentage_minimum_hosts: 3,
      failure_percentage_request_volume: 3,
      failure_percentage_threshold: 60,
      enforcing_failure_percentage: 100,
    }),
  ),
  cluster(
    'unreachable',
    [a, b, REFUSED],
    watched({
      ...never,
      split_external_local_origin_errors: true,
      consecutive_local_origin_failure: 0,
      enforcing_local_origin_success_rate: 0,
      failure_percentage_minimum_hosts: 3,
      failure_percentage_request_volume: 3,
      enforcing_failure_percentage_local_origin: 100,
    }),
  ),
];
