/** Rows about retries, and policies for them. */
import { onHttp1 } from '../backend/exchange.ts';
import type { HttpOptions, Message } from '../harness/bootstrap.ts';
import type { Case, Expectation } from '../harness/case.ts';
import { http1, type Step } from '../wire/http1.ts';

/** How backends answer. */
export type Replies = NonNullable<Case['answers']>;

export type Stats = Readonly<Record<string, number>>;

export const row = (
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  more: Partial<Case> = {},
  methods: readonly string[] = ['GET'],
): Case => ({
  name: `retries: ${name}`,
  covers: 'retries',
  play: http1(steps, { methods }),
  expect,
  ...more,
});

export const answer = (status: number, headers: readonly string[] = [], body = ''): string =>
  `${[`HTTP/1.1 ${status} Some`, `content-length: ${body.length}`, ...headers].join('\r\n')}\r\n\r\n${body}`;

export const failing = (times: number, status: number, ...headers: readonly string[]): Replies => ({
  a: onHttp1(async (exchange) => {
    await exchange.body();
    exchange.write(exchange.attempt <= times ? answer(status, headers) : answer(200, [], 'well'));
  }),
});

export const retried = (times: number): Stats => ({ 'cluster.a.upstream_rq_retry': times });

export const soon: Message = { retry_back_off: { base_interval: '0.001s' } };

export const policy = (retryOn: string, more: Message = {}): Message => ({
  retry_policy: { retry_on: retryOn, num_retries: 2, ...soon, ...more },
});

/** A listener that believes its clients. */
export const believing: HttpOptions = {
  hcm: {
    use_remote_address: true,
    internal_address_config: { cidr_ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] },
  },
  log: ['attempts=%UPSTREAM_REQUEST_ATTEMPT_COUNT%'],
};
