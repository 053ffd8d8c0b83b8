/**
 * Heddle's own `ResiliencePolicy`: what callers of a host do that Istio's documents have no words for. They ask its
 * instances whether they are well (active health checks), and ask a second one where the first takes long (hedging).
 */
import { list, mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { atMostOneOf, defaulted, object, optional, required } from './decode/object.ts';
import {
  dnsName,
  durationMs,
  integer,
  nonEmptyText,
  number,
  oneOf,
  portNumber,
  text,
} from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { hostName } from './host-name.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';

/** Both ends are included. */
export interface StatusRange {
  readonly from: number;
  readonly to: number;
}

export interface HttpCheck {
  readonly path: string;
  readonly method: 'GET' | 'HEAD' | 'OPTIONS' | 'POST' | 'PUT';
  /** Absent: the host of the policy. */
  readonly host?: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Absent: those of success. */
  readonly expectedStatuses?: readonly StatusRange[];
}

/** Texts are sent, and looked for, as UTF-8; none: the connection alone. */
export interface TcpCheck {
  readonly send?: string;
  readonly receive?: string;
}

export interface GrpcCheck {
  /** Of `grpc.health.v1.Health`; absent: the server as a whole. */
  readonly service?: string;
}

/** Times are milliseconds. Exactly one of the last three. */
export interface HealthCheckPolicy {
  readonly interval: number;
  readonly timeout: number;
  readonly unhealthyThreshold: number;
  readonly healthyThreshold: number;
  /** Of the interval, by which it is longer at random. */
  readonly jitterPercent: number;
  readonly http?: HttpCheck;
  readonly tcp?: TcpCheck;
  readonly grpc?: GrpcCheck;
}

export interface HedgingPolicy {
  /** Milliseconds without an answer after which another attempt begins, beside the first. */
  readonly delay: number;
  /** The first among them. */
  readonly maxAttempts: number;
  readonly methods: readonly string[];
}

export interface ResiliencePolicySpec {
  readonly host: string;
  /** Empty: all. */
  readonly ports: readonly number[];
  /** Empty: all, and the host without a subset. */
  readonly subsets: readonly string[];
  readonly healthCheck?: HealthCheckPolicy;
  readonly hedging?: HedgingPolicy;
}

export type ResiliencePolicy = ResourceBase<'ResiliencePolicy', ResiliencePolicySpec>;

const status: Decoder<StatusRange> = refined(text, (written, path, report) => {
  const [, from = '', to = from] = /^([1-5][0-9]{2})(?:-([1-5][0-9]{2}))?$/.exec(written) ?? [];
  if (from === '' || Number(to) < Number(from))
    return report.error(path, `${JSON.stringify(written)} is not a status or a range, such as "200-299"`);
  return { from: Number(from), to: Number(to) };
});

const http: Decoder<HttpCheck> = object({
  path: required(
    refined(nonEmptyText, (written, path, report) =>
      written.startsWith('/') ? written : report.error(path, 'must begin with /'),
    ),
    'What is asked for.',
  ),
  method: defaulted(oneOf(['GET', 'HEAD', 'OPTIONS', 'POST', 'PUT']), 'GET', 'With which it is asked for.'),
  host: optional(nonEmptyText, 'The `host` header; without it the host of the policy.'),
  headers: defaulted(mapOf(text), {}, 'Sent with each check.'),
  expectedStatuses: optional(
    list(status, 1),
    'Statuses of an instance that is well: `"204"`, `"400-499"`; `"200-299"` where nothing is said.',
  ),
});

const tcp: Decoder<TcpCheck> = object({
  send: optional(nonEmptyText, 'Sent when the connection is there.'),
  receive: optional(nonEmptyText, 'Must be in the answer.'),
});

const grpc: Decoder<GrpcCheck> = object({
  service: optional(
    nonEmptyText,
    'That `grpc.health.v1.Health` is asked for; without it the server as a whole.',
  ),
});

const MAX_COUNT = 1000;
const count = integer(1, MAX_COUNT);

const healthCheck: Decoder<HealthCheckPolicy> = object(
  {
    interval: defaulted(durationMs, 10_000, 'Between checks of one instance by one caller.'),
    timeout: defaulted(durationMs, 1000, 'For the answer.'),
    unhealthyThreshold: defaulted(count, 3, 'Failures in a row after which an instance is left out.'),
    healthyThreshold: defaulted(count, 2, 'Successes in a row after which it is used again.'),
    jitterPercent: defaulted(number(0, 100), 10, 'Of the interval, by which it is longer at random.'),
    http: optional(http, 'By a request.'),
    tcp: optional(tcp, 'By a connection.'),
    grpc: optional(grpc, "By gRPC's health service."),
  },
  (check, path, report) => {
    atMostOneOf(check, ['http', 'tcp', 'grpc'], 'one is needed', path, report);
    if (check.tcp?.receive !== undefined && check.tcp.send === undefined)
      report.info([...path, 'tcp', 'receive'], 'nothing is sent: only servers that speak first answer');
  },
);

const method: Decoder<string> = refined(text, (written, path, report) =>
  /^[A-Z]+$/.test(written) ? written : report.error(path, `${JSON.stringify(written)} is not a method`),
);

/** What may be asked twice without harm (RFC 9110, section 9.2.1). */
const safeMethods: readonly string[] = ['GET', 'HEAD', 'OPTIONS'];

const MAX_ATTEMPTS = 5;

const hedging: Decoder<HedgingPolicy> = object({
  delay: required(
    durationMs,
    'Without an answer, after which another instance is asked as well. In place of `retries.perTryTimeout`.',
  ),
  maxAttempts: defaulted(
    integer(2, MAX_ATTEMPTS),
    2,
    'Of one request, the first among them. In place of `retries.attempts`, but that 0 of them means none here, too.',
  ),
  methods: defaulted(
    list(method, 1),
    safeMethods,
    'Of requests that may be answered twice without harm. Calls of gRPC are POST.',
  ),
});

const spec: Decoder<ResiliencePolicySpec> = object(
  {
    host: required(hostName, 'Whose callers; as in a DestinationRule.'),
    ports: defaulted(list(portNumber, 1), [], 'Of the service; without them all.'),
    subsets: defaulted(list(dnsName('dots'), 1), [], 'Of its DestinationRule; without them all.'),
    healthCheck: optional(healthCheck, 'Callers leave out instances that do not answer checks.'),
    hedging: optional(hedging, 'A request that takes long is made again at another instance.'),
  },
  ({ healthCheck: check, hedging: hedge }, path, report) => {
    if (check === undefined && hedge === undefined)
      report.error(path, 'says nothing: give healthCheck, hedging or both');
  },
);

export const resiliencePolicyKind: KindDefinition<ResiliencePolicy> = {
  kind: 'ResiliencePolicy',
  group: 'heddle.dev',
  versions: ['v1alpha1'],
  scope: 'namespace',
  about:
    "Heddle's own: active health checks of the instances of a host by its callers, and hedging of their requests. Whose policy holds " +
    'is as of a DestinationRule; of several in one namespace the one that names the subset, else the port, else the first by name. ' +
    'More: [resilience policies](../resilience-policies.md).',
  fields: { spec: required(spec) },
};

/** Of those that are for the port and subset, the one that says most of them; the first by name of equals. */
export function mostSpecific(
  policies: readonly ResiliencePolicy[],
  port: number,
  subset: string | undefined,
): ResiliencePolicy | undefined {
  const weight = ({ spec: { ports, subsets } }: ResiliencePolicy): number =>
    (subsets.length > 0 ? 2 : 0) + (ports.length > 0 ? 1 : 0);
  return policies
    .filter(
      ({ spec: { ports, subsets } }) =>
        (ports.length === 0 || ports.includes(port)) &&
        (subsets.length === 0 || (subset !== undefined && subsets.includes(subset))),
    )
    .sort((a, b) => weight(b) - weight(a))[0];
}
