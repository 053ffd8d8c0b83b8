/** Rows about an HTTP/2 upstream: a request of HTTP/1, and what the upstream answers. */
import { type Http2Exchange, onHttp2 } from '../backend/exchange.ts';
import type { Case, Expectation } from '../harness/case.ts';
import type { Topic } from '../harness/topics.ts';
import { get, http1, type Step } from '../wire/http1.ts';

export const row = (
  name: string,
  steps: readonly Step[],
  expect: Expectation,
  more: Partial<Case> = {},
  methods: readonly string[] = ['GET'],
): Case => ({
  ...{ name: `to h2: ${name}`, covers: 'conversion' as Topic, expect },
  play: http1(steps, { methods }),
  ...more,
});

/** One GET of HTTP/1, answered so. */
export const answered = (
  name: string,
  answer: (exchange: Http2Exchange) => void | Promise<void>,
  expect: Expectation,
  path = '/answered',
): Case => row(name, [get(path)], expect, { covers: 'http2', answers: { a: onHttp2(answer) } });

export const ok = (exchange: Http2Exchange, body = 'ok'): void => {
  exchange.peer.headers(exchange.stream, [
    [':status', '200'],
    ['content-length', String(body.length)],
  ]);
  exchange.peer.data(exchange.stream, body, true);
};

export const protocolError: Expectation = {
  status: 502,
  connection: 'open',
  log: / 502 UPE upstream_reset_before_response_started\{protocol_error\} /,
};

export const cutOff: Expectation = {
  status: 200,
  connection: 'closed',
  client: /body by incomplete/,
  log: / 200 UPE upstream_reset_after_response_started\{protocol_error\} /,
};
