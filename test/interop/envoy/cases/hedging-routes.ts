/** Routes that hedge. */
import { bootstrap, cluster, http2Cluster, httpListener, type Message, route } from '../harness/bootstrap.ts';
import type { Places } from '../harness/case.ts';
import { believing } from './retry-rows.ts';

const hedge: Message = { hedge_policy: { hedge_on_per_try_timeout: true } };
const policy = (more: Message = {}, retryOn = '5xx'): Message => ({
  retry_policy: {
    retry_on: retryOn,
    num_retries: 2,
    per_try_timeout: '0.08s',
    retry_back_off: { base_interval: '0.001s' },
    ...more,
  },
});

/** Where nothing answers: longer than a try. */
const afterTry = route('/slow', { timeout: '0.2s' });

export const hedgingBootstrap = ({ ports: { a = 0, b = 0, h2 = 0 } }: Places): Message =>
  bootstrap(
    [
      httpListener('main', {
        ...believing,
        routes: [
          route('/hedge', { ...hedge, ...policy() }),
          route('/once', { ...hedge, ...policy({ num_retries: 1 }) }),
          route('/none-left', { ...hedge, ...policy({ num_retries: 0 }) }),
          route('/overflow', { cluster: 'full', ...hedge, ...policy() }),
          route('/short', { timeout: '1.9s', ...hedge, ...policy({ num_retries: 1 }) }),
          route('/no-condition', { ...hedge, ...policy({}, '') }),
          route('/gateway-4xx', { ...hedge, ...policy({}, 'retriable-4xx') }),
          route('/try', policy()),
          route('/two-seconds', { timeout: '2s', ...hedge, ...policy() }),
          route('/idle', {
            ...hedge,
            ...policy({ per_try_timeout: '0s', per_try_idle_timeout: '0.08s' }),
          }),
          route('/hosts', {
            cluster: 'hosts',
            ...hedge,
            hash_policy: [{ header: { header_name: ':path' } }],
            ...policy({
              retry_host_predicate: [
                {
                  name: 'envoy.retry_host_predicates.previous_hosts',
                  typed_config: {
                    '@type':
                      'type.googleapis.com/envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate',
                  },
                },
              ],
              host_selection_retry_max_attempts: 50,
            }),
          }),
          route('/long-wait', {
            timeout: '1s',
            ...hedge,
            ...policy({ retry_back_off: { base_interval: '1000s' } }),
          }),
          route('/h2-grpc', { cluster: 'h2', ...hedge, ...policy({ num_retries: 1 }, 'unavailable') }),
          route('/h2', { cluster: 'h2', ...hedge, ...policy() }),
          route('/plain'),
          route('/status'),
          afterTry,
        ],
      }),
      httpListener('host', {
        ...believing,
        host: {
          ...hedge,
          include_is_timeout_retry_header: true,
          include_attempt_count_in_response: true,
        },
        routes: [
          route('/not-by-route', { hedge_policy: {}, ...policy() }),
          route('/hedge-by-host', policy()),
          route('/status'),
        ],
      }),
      httpListener(
        'small',
        { ...believing, routes: [route('/hedge', { ...hedge, ...policy() }), afterTry, route('/')] },
        { per_connection_buffer_limit_bytes: 1000 },
      ),
    ],
    [
      cluster('a', [a]),
      cluster('full', [a], { circuit_breakers: { thresholds: [{ max_retries: 0 }] } }),
      {
        ...cluster('hosts', []),
        lb_policy: 'RING_HASH',
        load_assignment: {
          cluster_name: 'hosts',
          endpoints: [
            {
              lb_endpoints: [a, b].map((port, i) => ({
                endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
                // The key that the path belongs to.
                metadata: { filter_metadata: { 'envoy.lb': { hash_key: i === 0 ? 'a' : 'b' } } },
              })),
            },
          ],
        },
      },
      http2Cluster('h2', [h2]),
    ],
  );
