/** `trafficPolicy` of a DestinationRule: how callers balance, whether they use TLS, how much they have under way. */
import { type ClientTls, clientTls } from './client-tls.ts';
import { type ConnectionPoolPolicy, connectionPool } from './connection-pool.ts';
import { atMost } from './decode/at-most.ts';
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, object, optional, required, unsupportedIf } from './decode/object.ts';
import { integer, number, oneOf, portNumber } from './decode/scalar.ts';
import { destinationHost } from './host-name.ts';
import { type LoadBalancerPolicy, loadBalancer } from './load-balancer.ts';
import { type OutlierPolicy, outlierDetection } from './outlier-detection.ts';

/** What may be said for a single port, too. */
export interface PortTrafficPolicy {
  readonly loadBalancer?: LoadBalancerPolicy;
  readonly connectionPool?: ConnectionPoolPolicy;
  readonly outlierDetection?: OutlierPolicy;
  readonly tls?: ClientTls;
}

/** TCP connections go through the host of the rule, which is asked to carry them to another. */
export interface Tunnel {
  readonly protocol?: 'CONNECT' | 'POST';
  readonly targetHost: string;
  readonly targetPort: number;
}

export interface RetryBudget {
  /** Of the requests under way; absent: Envoy's 20. */
  readonly percent?: number;
  /** As many may always be under way; absent: Envoy's 3. */
  readonly minRetryConcurrency?: number;
}

/** All that holds for one port. */
export interface HostTrafficPolicy extends PortTrafficPolicy {
  readonly tunnel?: Tunnel;
  readonly proxyProtocol?: { readonly version: 'V1' | 'V2' };
  readonly retryBudget?: RetryBudget;
}

export interface TrafficPolicy extends HostTrafficPolicy {
  /** Take the place of what a {@link PortTrafficPolicy} has, for their port: the two are not merged (Istio). */
  readonly portLevelSettings?: readonly (PortTrafficPolicy & {
    readonly port: { readonly number: number };
  })[];
}

const portFields = {
  loadBalancer: optional(loadBalancer, 'How an endpoint is chosen.'),
  connectionPool: optional(connectionPool, 'How much callers may have under way.'),
  tls: optional(clientTls, 'Whether and how callers encrypt.'),
  outlierDetection: optional(outlierDetection, 'When an endpoint that fails is left alone for a while.'),
} as const;

const tunnel: Decoder<Tunnel> = object({
  protocol: optional(oneOf(['CONNECT', 'POST']), 'What the host is asked with; `CONNECT` by default.'),
  targetHost: required(destinationHost, 'Where it is to lead.'),
  targetPort: required(portNumber, 'And at which port.'),
});

const retryBudget: Decoder<RetryBudget> = object({
  percent: optional(number(0, 100), 'Retries under way, of the requests under way or waiting; 20.'),
  minRetryConcurrency: optional(integer(0, 2 ** 32 - 1), 'As many may always be under way; 3.'),
  budgetInterval: unsupportedIf(
    'adds',
    (value) => value !== '0s',
    'Requests of this time count, and not only those under way.',
  ),
});

const portPolicy = object({
  ...portFields,
  port: required(
    object({ number: required(portNumber, 'Of the service.') }),
    'The port that the others are for. They take the place of all that the policy says of them: the two are not merged.',
  ),
});

const fields = {
  ...portFields,
  tunnel: optional(tunnel, 'TCP connections for the host of the rule are led through it to another host.'),
  proxyProtocol: optional(
    object({ version: defaulted(oneOf(['V1', 'V2']), 'V1', 'In text, or in bytes.') }),
    'Endpoints are told first who calls, by the PROXY protocol.',
  ),
  retryBudget: optional(retryBudget, 'Retries as a share of the requests; in place of `maxRetries`.'),
} as const;

export const trafficPolicy: Decoder<TrafficPolicy> = object(
  {
    ...fields,
    portLevelSettings: optional(atMost(4096, list(portPolicy)), 'For single ports of the service.'),
  },
  (policy, path, report) => {
    if (Object.keys(policy).length === 0) report.error(path, 'is empty: say something, or leave it out');
    const seen = new Set<number>();
    for (const [index, { port }] of (policy.portLevelSettings ?? []).entries()) {
      const at = [...path, 'portLevelSettings', index, 'port', 'number'];
      if (seen.has(port.number)) report.warning(at, `port ${port.number} is there twice: the first counts`);
      seen.add(port.number);
    }
  },
);
