/** Retries, time limits, faults and mirrors. */
import type { Configuration } from './configuration.ts';

const any = (answers: string) => ({ answers: { any: answers } });

export const retries: readonly Configuration[] = [
  {
    name: 'retries until it is well',
    http: '{route: [@v1], retries: {attempts: 3, retryOn: 5xx}}',
    through: 'both',
    asked: [
      { ask: any('503,500,200'), see: { by: 'v1', attempts: 3, sent: { 'x-envoy-attempt-count': '3' } } },
      { ask: any('200'), see: { attempts: 1 } },
      { ask: any('404,200'), see: { status: 404, attempts: 1 } },
    ],
  },
  {
    name: 'no more retries than attempts',
    http: '{route: [@v1], retries: {attempts: 2, retryOn: 5xx}}',
    through: 'both',
    asked: [{ ask: any('503'), see: { status: 503, attempts: 3 } }],
  },
  {
    name: 'no retries at all',
    http: '{route: [@v1], retries: {attempts: 0}}',
    through: 'both',
    asked: [{ ask: any('reset'), see: { status: 503, attempts: 1 } }],
  },
  {
    name: 'retries without a word, not of errors',
    http: '{route: [@v1]}',
    through: 'both',
    asked: [{ ask: any('503,200'), see: { status: 503, attempts: 1 } }],
  },
  {
    name: 'retries of a status',
    http: '{route: [@v1], retries: {attempts: 2, retryOn: "connect-failure,409"}}',
    through: 'both',
    asked: [
      { ask: any('409,200'), see: { by: 'v1', attempts: 2 } },
      { ask: any('503,200'), see: { status: 503, attempts: 1 } },
    ],
  },
  {
    name: 'retries of gateway errors',
    http: '{route: [@v1], retries: {attempts: 2, retryOn: gateway-error}}',
    through: 'both',
    asked: [
      { ask: any('502,504,200'), see: { attempts: 3 } },
      { ask: any('500,200'), see: { status: 500, attempts: 1 } },
    ],
  },
  {
    name: 'retries of resets',
    http: '{route: [@v1], retries: {attempts: 1, retryOn: reset}}',
    through: 'both',
    asked: [{ ask: any('reset,200'), see: { by: 'v1', attempts: 2 } }],
  },
  {
    name: 'retries of retriable-4xx',
    http: '{route: [@v1], retries: {attempts: 1, retryOn: retriable-4xx}}',
    through: 'both',
    asked: [
      { ask: any('409,200'), see: { attempts: 2 } },
      { ask: any('400,200'), see: { status: 400, attempts: 1 } },
    ],
  },
  {
    name: 'retries elsewhere',
    policy: 'trafficPolicy: {loadBalancer: {simple: ROUND_ROBIN}}',
    http: '{route: [{destination: {host: <host>, port: {number: 80}}}], retries: {attempts: 2, retryOn: 5xx}}',
    through: 'both',
    asked: [
      {
        ask: { answers: { v1: '503', v2: '503', v3: '503' } },
        see: { status: 503, copies: ['v1 /', 'v2 /', 'v3 /'] },
      },
    ],
  },
  {
    name: 'a time for each try',
    http: '{route: [@v1], retries: {attempts: 1, perTryTimeout: 300ms, retryOn: 5xx}}',
    through: 'both',
    asked: [{ ask: any('wait,200'), see: { by: 'v1', attempts: 2, atLeastMs: 290 } }],
  },
  {
    name: 'a time for all tries',
    http: '{route: [@v1], timeout: 300ms, retries: {attempts: 0}}',
    through: 'both',
    asked: [
      { ask: any('wait'), see: { status: 504, body: 'upstream request timeout', atLeastMs: 290 } },
      { ask: {}, see: { by: 'v1' } },
    ],
  },
  {
    name: 'a time that ends retries',
    http: '{route: [@v1], timeout: 500ms, retries: {attempts: 1, perTryTimeout: 5s, retryOn: 5xx}}',
    through: 'both',
    asked: [{ ask: any('wait'), see: { status: 504, attempts: 1 } }],
  },
];

const always = 'percentage: {value: 100}';

export const faults: readonly Configuration[] = [
  {
    name: 'abort all',
    http: `{fault: {abort: {httpStatus: 418, ${always}}}, route: [@v1]}`,
    through: 'both',
    asked: [{ ask: {}, see: { status: 418, body: 'fault filter abort', attempts: 0 } }],
  },
  {
    name: 'abort half',
    http: '{fault: {abort: {httpStatus: 500, percentage: {value: 50}}}, route: [@v1]}',
    through: 'both',
    asked: [{ ask: {}, times: 200, shares: { '200 v1': 50, '500': 50 } }],
  },
  {
    name: 'abort without a percentage is none',
    http: '{fault: {abort: {httpStatus: 500}}, route: [@v1]}',
    through: 'both',
    asked: [{ ask: {}, times: 5, counts: { '200 v1': 5 } }],
  },
  {
    name: 'abort by grpc status',
    http: `{fault: {abort: {grpcStatus: UNAVAILABLE, ${always}}}, route: [@v1]}`,
    through: 'both',
    asked: [
      {
        ask: { get: 'POST /a.B/C', headers: { 'content-type': 'application/grpc' } },
        see: { got: { 'grpc-status': '14', 'content-type': 'application/grpc' }, attempts: 0 },
      },
    ],
  },
  {
    name: 'abort for some users',
    http: `{match: [{headers: {x-user: {exact: ann}}}], fault: {abort: {httpStatus: 503, ${always}}}, route: [@v1]}, {route: [@v2]}`,
    through: 'both',
    asked: [
      { ask: { headers: { 'x-user': 'ann' } }, see: { status: 503, attempts: 0 } },
      { ask: {}, see: { by: 'v2' } },
    ],
  },
  {
    name: 'abort is not retried',
    http: `{fault: {abort: {httpStatus: 503, ${always}}}, route: [@v1], retries: {attempts: 3, retryOn: 5xx}}`,
    through: 'both',
    asked: [{ ask: {}, see: { status: 503, attempts: 0 } }],
  },
  {
    name: 'delay',
    http: `{fault: {delay: {fixedDelay: 400ms, ${always}}}, route: [@v1]}`,
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v1', atLeastMs: 390 } }],
  },
  {
    name: 'delay and then abort',
    http: `{fault: {delay: {fixedDelay: 300ms, ${always}}, abort: {httpStatus: 429, ${always}}}, route: [@v1]}`,
    through: 'both',
    asked: [{ ask: {}, see: { status: 429, atLeastMs: 290, attempts: 0 } }],
  },
  {
    name: 'delay, and time begins behind it',
    http: `{fault: {delay: {fixedDelay: 800ms, ${always}}}, timeout: 500ms, route: [@v1]}`,
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v1', atLeastMs: 790 } }],
  },
];

export const mirrors: readonly Configuration[] = [
  {
    name: 'mirror of all',
    http: '{route: [@v1], mirror: {host: <host>, subset: v2, port: {number: 80}}}',
    through: 'both',
    asked: [{ ask: { get: '/a?b=c' }, see: { by: 'v1', copies: ['v1 /a?b=c', 'v2 /a?b=c'] } }],
  },
  {
    name: 'mirrors to two',
    http: '{route: [@v1], mirrors: [{destination: {host: <host>, subset: v2, port: {number: 80}}}, {destination: {host: <host>, subset: v3, port: {number: 80}}}]}',
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v1', copies: ['v1 /', 'v2 /', 'v3 /'] } }],
  },
  {
    name: 'mirror of none',
    http: '{route: [@v1], mirror: {host: <host>, subset: v2, port: {number: 80}}, mirrorPercentage: {value: 0}}',
    through: 'both',
    asked: [{ ask: {}, see: { by: 'v1', copies: ['v1 /'] } }],
  },
  {
    name: 'mirror that fails',
    http: '{route: [@v1], mirror: {host: <host>, subset: v2, port: {number: 80}}}',
    through: 'both',
    asked: [{ ask: { answers: { v2: '500' } }, see: { by: 'v1', copies: ['v1 /', 'v2 /'] } }],
  },
  {
    name: 'mirror of what was rewritten',
    http: '{match: [{uri: {prefix: /old}}], rewrite: {uri: /new}, route: [@v1], mirror: {host: <host>, subset: v2, port: {number: 80}}}',
    through: 'both',
    asked: [{ ask: { get: '/old/x' }, see: { by: 'v1', copies: ['v1 /new/x', 'v2 /new/x'] } }],
  },
];
