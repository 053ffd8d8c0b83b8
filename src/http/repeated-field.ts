/**
 * Fields that are one, however often a message has them: their values are joined with commas, in the
 * place of the first (RFC 9110 §5.3; which ones, as Envoy has it). Nobody after that sees but the first.
 */
import type { HeaderList } from './header-list.ts';

const both = [
  'cache-control',
  'content-encoding',
  'content-type',
  'proxy-status',
  'via',
  'x-envoy-attempt-count',
  'x-envoy-decorator-operation',
  'x-request-id',
];

const ofRequests: ReadonlySet<string> = new Set([
  ...both,
  'accept',
  'accept-encoding',
  'access-control-request-headers',
  'access-control-request-method',
  'access-control-request-private-network',
  'authorization',
  'expect',
  'grpc-accept-encoding',
  'grpc-timeout',
  'if-match',
  'if-modified-since',
  'if-none-match',
  'if-range',
  'if-unmodified-since',
  'origin',
  'pragma',
  'referer',
  'te',
  'user-agent',
  'x-client-trace-id',
  'x-envoy-downstream-service-cluster',
  'x-envoy-downstream-service-node',
  'x-envoy-expected-rq-timeout-ms',
  'x-envoy-external-address',
  'x-envoy-force-trace',
  'x-envoy-hedge-on-per-try-timeout',
  'x-envoy-internal',
  'x-envoy-ip-tags',
  'x-envoy-max-retries',
  'x-envoy-original-host',
  'x-envoy-original-path',
  'x-envoy-original-url',
  'x-envoy-retriable-header-names',
  'x-envoy-retriable-status-codes',
  'x-envoy-retry-grpc-on',
  'x-envoy-retry-on',
  'x-envoy-upstream-alt-stat-name',
  'x-envoy-upstream-rq-per-try-timeout-ms',
  'x-envoy-upstream-rq-timeout-alt-response',
  'x-envoy-upstream-rq-timeout-ms',
  'x-forwarded-client-cert',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
]);

const ofResponses: ReadonlySet<string> = new Set([
  ...both,
  'access-control-allow-credentials',
  'access-control-allow-headers',
  'access-control-allow-methods',
  'access-control-allow-origin',
  'access-control-expose-headers',
  'access-control-max-age',
  'age',
  'date',
  'etag',
  'expires',
  'grpc-message',
  'grpc-status',
  'last-modified',
  'location',
  'server',
  'vary',
  'x-envoy-degraded',
  'x-envoy-immediate-health-check-fail',
  'x-envoy-ratelimited',
  'x-envoy-upstream-canary',
  'x-envoy-upstream-healthchecked-cluster',
  'x-envoy-upstream-service-time',
]);

/** Joins what is there more than once. Lists are short and names interned: a walk finds repetitions soonest. */
export function joinRepeated(list: HeaderList, kind: 'request' | 'response'): void {
  const { length } = list;
  for (let i = 2; i < length; i += 2) {
    const name = list[i]!;
    for (let j = 0; j < i; j += 2) {
      if (list[j] !== name) continue;
      if ((kind === 'request' ? ofRequests : ofResponses).has(name)) {
        join(list, kind);
        return;
      }
      break;
    }
  }
}

function join(list: HeaderList, kind: 'request' | 'response'): void {
  const names = kind === 'request' ? ofRequests : ofResponses;
  const at = new Map<string, number>();
  let to = 0;
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i]!;
    const first = names.has(name) ? at.get(name) : undefined;
    if (first !== undefined) {
      list[first + 1] = `${list[first + 1]!},${list[i + 1]!}`;
      continue;
    }
    at.set(name, to);
    list[to] = name;
    list[to + 1] = list[i + 1]!;
    to += 2;
  }
  list.length = to;
}
