/** `retries` of a VirtualService -> RetryPolicy, with Istio's default where nothing is written. */
import type { HttpRetry } from '#model/http-retry.ts';
import type { RetryPolicySchema } from '#xds/gen/envoy/config/route/v3/route_components_pb.js';
import { PreviousHostsPredicateSchema } from '#xds/gen/envoy/extensions/retry/host/previous_hosts/v3/previous_hosts_pb.js';
import { PreviousPrioritiesConfigSchema } from '#xds/gen/envoy/extensions/retry/priority/previous_priorities/v3/previous_priorities_config_pb.js';
import { duration, type Init, pack } from './message.ts';

type RetryPolicyInit = Init<typeof RetryPolicySchema>;

/** What can be sent again without having had an effect. */
const defaultConditions: readonly string[] = [
  'connect-failure',
  'refused-stream',
  'unavailable',
  'cancelled',
];
const defaultAttempts = 2;

/** Draws of the balancer until it gives an endpoint that was not tried. */
const endpointDraws = 5n;

const serviceUnavailable = 503;

const otherEndpoint: Pick<RetryPolicyInit, 'retryHostPredicate' | 'hostSelectionRetryMaxAttempts'> = {
  retryHostPredicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      configType: { case: 'typedConfig', value: pack(PreviousHostsPredicateSchema, {}) },
    },
  ],
  hostSelectionRetryMaxAttempts: endpointDraws,
};

/** After two tries of one priority the next is drawn from another (Istio). */
const otherPriority: Pick<RetryPolicyInit, 'retryPriority'> = {
  retryPriority: {
    name: 'envoy.retry_priorities.previous_priorities',
    configType: {
      case: 'typedConfig',
      value: pack(PreviousPrioritiesConfigSchema, { updateFrequency: 2 }),
    },
  },
};

/** Undefined: no retries. */
export function translateRetry(retry: HttpRetry | undefined): RetryPolicyInit | undefined {
  if (retry === undefined) {
    return { retryOn: defaultConditions.join(','), numRetries: defaultAttempts, ...otherEndpoint };
  }
  if (retry.attempts === 0) return undefined;
  const { conditions, statusCodes } = retryOn(retry);
  return {
    retryOn: conditions.join(','),
    numRetries: retry.attempts,
    retriableStatusCodes: [...statusCodes],
    ...(retry.perTryTimeoutMs !== undefined && { perTryTimeout: duration(retry.perTryTimeoutMs) }),
    ...(retry.backoffMs !== undefined && { retryBackOff: { baseInterval: duration(retry.backoffMs) } }),
    ...(retry.ignorePreviousHosts && otherEndpoint),
    ...(retry.remoteLocalities && otherPriority),
  };
}

/** Of a sidecar towards its own application: only what surely had no effect. */
export const inboundRetry: RetryPolicyInit = { retryOn: 'reset-before-request', numRetries: defaultAttempts };

interface RetryOn {
  readonly conditions: readonly string[];
  readonly statusCodes: readonly number[];
}

function retryOn({ retryOn: written, statusCodes }: HttpRetry): RetryOn {
  const conditions = written ?? (statusCodes.length === 0 ? defaultConditions : []);
  const named = conditions.includes('retriable-status-codes');
  // Differs from Istio, where the condition without a code does nothing: it means 503 here, which is
  // what the sidecar of an application that died answers.
  if (named && statusCodes.length === 0) return { conditions, statusCodes: [serviceUnavailable] };
  if (named || statusCodes.length === 0) return { conditions, statusCodes };
  return { conditions: [...conditions, 'retriable-status-codes'], statusCodes };
}
