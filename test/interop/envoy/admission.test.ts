/** The filters admission_control and adaptive_concurrency: who is refused so that others are served. */
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { bootstrap, cluster, extension, httpListener, type Message } from './harness/bootstrap.ts';
import type { Case, Expectation, Group, Play, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import type { Topic } from './harness/topics.ts';
import { Channel } from './wire/channel.ts';
import { backendSaw, get, http1, parseAnswers, type Step, takeStep } from './wire/http1.ts';

/** Several requests over one connection. */
const inTurn = (...steps: readonly Step[]): Script =>
  http1(
    steps.flatMap((step, i) => (i === 0 ? [step] : [{ until: answers(i) }, step])),
    { methods: steps.map(() => 'GET'), noProbe: true },
  );
const answers = (count: number): RegExp =>
  new RegExp(`(?:HTTP/1\\.1 \\d{3} [\\s\\S]*?){${count}}\\r\\n\\r\\n`);
const row = (
  covers: Topic,
  name: string,
  on: string,
  play: Script,
  expect: Expectation,
  more: Partial<Case> = {},
): Case => ({
  ...{ name: `${covers}: ${name}`, covers, on, play, expect },
  ...more,
});

// --- admission_control

const admission = (
  name: string,
  on: string,
  steps: readonly Step[],
  expect: Expectation,
  more: Partial<Case> = {},
): Case => row('admission-control', name, on, inTurn(...steps), expect, more);
const GOOD = get('/status/200');
const BAD = get('/status/503');
const grpcStatus = (status: string): Partial<Case> => ({
  answers: {
    a: `HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ngrpc-status: ${status}\r\ncontent-length: 0\r\n\r\n`,
  },
});
const counted = (on: string, success: number, failure: number, rejected = 0): Expectation => ({
  stats: {
    [`http.${on}.admission_control.rq_success`]: success,
    [`http.${on}.admission_control.rq_failure`]: failure,
    [`http.${on}.admission_control.rq_rejected`]: rejected,
  },
});

/** One of many, of which no two proxies get as many: neither what it brings upstream nor its line of log is compared. */
const asProbe = (path: string): Step => `GET ${path} HTTP/1.1\r\nhost: test.example\r\nx-test: probe\r\n\r\n`;

const REQUESTS = 300;
/** Half of all are refused; so many more or less are five times the deviation of so many coins. */
const TOLERANCE = 45;
const manyBad: Script = async (play) => {
  const channel = new Channel(play);
  let refused = 0;
  for (let i = 0; i < REQUESTS; i++) {
    const before = channel.text.length;
    await takeStep(channel, play, asProbe('/status/504'), true);
    const answer = (): string => channel.text.slice(before);
    await channel.until(
      () => parseAnswers(answer(), ['GET'], channel.closed).statuses.length > 0,
      'an answer',
    );
    if (answer().startsWith('HTTP/1.1 503')) refused++;
  }
  const isHalf = Math.abs(refused - REQUESTS / 2) < TOLERANCE;
  return {
    statuses: [],
    lines: [isHalf ? 'about half are refused' : `${refused} of ${REQUESTS} are refused`],
  };
};

const admissions: readonly Case[] = [
  admission(
    'successes',
    'free',
    [GOOD, get('/status/404'), get('/status/302'), get('/status/499')],
    counted('free', 4, 0),
  ),
  admission('failures', 'free', [BAD, get('/status/500')], counted('free', 0, 2)),
  admission(
    'successes of its own',
    'own',
    [get('/status/201'), get('/status/429'), GOOD, get('/status/300')],
    {
      status: [201, 429, 200, 300],
      ...counted('own', 3, 1),
    },
  ),
  ...[0, 1, 2, 3, 5, 6, 7, 9, 11, 12, 16].map((status) =>
    admission(
      `gRPC status ${status}`,
      'free',
      [get('/x')],
      counted('free', 1, 0),
      grpcStatus(String(status)),
    ),
  ),
  ...[4, 8, 10, 13, 14, 15].map((status) =>
    admission(
      `gRPC status ${status}`,
      'free',
      [get('/x')],
      counted('free', 0, 1),
      grpcStatus(String(status)),
    ),
  ),
  admission('gRPC status 4, a success here', 'own', [get('/x')], counted('own', 1, 0), grpcStatus('4')),
  admission('gRPC status 0, a failure here', 'own', [get('/x')], counted('own', 0, 1), grpcStatus('0')),
  admission('no cluster is a failure', 'free', [get('/nowhere')], { status: 503, ...counted('free', 0, 1) }),
  admission('a failure, and then nobody is let in', 'strict', [BAD, GOOD, GOOD], {
    status: [503, 503, 503],
    log: /denied_by_admission_control/,
    ...counted('strict', 0, 1, 2),
  }),
  admission('successes alone', 'successful', [GOOD, GOOD, GOOD], counted('successful', 3, 0)),
  admission('too few requests to refuse any', 'slow', [BAD, BAD, GOOD], {
    status: [503, 503, 200],
    ...counted('slow', 1, 2),
  }),
  admission('off', 'off', [BAD, BAD, GOOD], counted('off', 0, 0)),
  admission('off by the runtime', 'key-off', [BAD, BAD, GOOD], counted('key-off', 0, 0)),
  admission('on by the runtime', 'key-on', [BAD, GOOD], counted('key-on', 0, 1, 1)),
  admission(
    'a probability of the runtime',
    'key-probability',
    [BAD, GOOD],
    counted('key-probability', 0, 1, 1),
  ),
  admission('no probability of the runtime', 'key-beyond', [BAD, GOOD], { status: [503, 200] }),
  admission('a rate of the runtime', 'key-rate', [BAD, BAD, GOOD], counted('key-rate', 1, 2)),
  admission('never refused where that may not be', 'never', [BAD, BAD, GOOD], { status: [503, 503, 200] }),
  row(
    'admission-control',
    'half of all are refused',
    'half',
    manyBad,
    { client: /about half/ },
    {
      uncounted: 'who is refused is drawn',
      logLines: 0,
    },
  ),
];

// --- adaptive_concurrency

const held = onHttp1(async (x) => {
  await x.cue();
  x.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone');
});

/** So many requests under way at once, and then one more. */
const atOnce =
  (count: number, ends: 'cue' | 'gone' = 'cue'): Script =>
  async (play) => {
    const open: Channel[] = [];
    for (let i = 1; i <= count; i++) {
      const channel = new Channel(play);
      await takeStep(channel, play, get(`/held/${i}`), true);
      await backendSaw(play, new RegExp(`GET /held/${i} `));
      open.push(channel);
    }
    const last = await one(play, get('/last'));
    for (const channel of open) {
      if (ends === 'cue') {
        play.backend('a').cue();
      } else channel.socket.destroy();
    }
    if (ends === 'cue')
      for (const channel of open) await channel.until((text) => text.includes('done'), 'an answer');
    return last;
  };
const one = async (play: Play, step: Step): ReturnType<Script> => {
  const channel = new Channel(play);
  await takeStep(channel, play, step, true);
  const parsed = (): ReturnType<typeof parseAnswers> => parseAnswers(channel.text, ['GET'], channel.closed);
  await channel.until(() => parsed().statuses.length > 0, 'an answer');
  const { statuses, lines } = parsed();
  channel.socket.destroy();
  return { statuses, lines };
};

const CONTROLLER = 'adaptive_concurrency.gradient_controller';
/** Requests one after the other until the gauge says so. */
const untilGauge =
  (on: string, gauge: string, value: number, path = '/x'): Script =>
  async (play) => {
    const name = `http.${on}.${CONTROLLER}.${gauge}: `;
    for (let i = 0; i < 200; i++) {
      await one(play, asProbe(path));
      const page = await play.admin('/stats');
      const line = page.split('\n').find((text) => text.startsWith(name));
      if (line === `${name}${value}`) return { statuses: [], lines: [`${gauge} is ${value}`] };
    }
    return { statuses: [], lines: ['never'] };
  };
const uncounted = {
  uncounted: 'how many requests it takes is a matter of time',
  logLines: 0,
  inAnyOrder: true,
} as const;
const adaptive = (
  name: string,
  on: string,
  play: Script,
  expect: Expectation,
  more: Partial<Case> = {},
): Case => row('adaptive-concurrency', name, on, play, expect, more);
const first = onHttp1(async (x) => {
  if (x.path.startsWith('/held')) await x.cue();
  x.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone');
});
const adaptions: readonly Case[] = [
  adaptive(
    'one more than may be',
    'one',
    atOnce(1),
    {
      status: 503,
      client: /reached concurrency limit/,
      log: /reached_concurrency_limit/,
      stats: { [`http.one.${CONTROLLER}.rq_blocked`]: 1 },
    },
    { answers: { a: held }, logLines: 2, inAnyOrder: true },
  ),
  adaptive(
    'one more than three',
    'three',
    atOnce(3),
    { status: 503 },
    { answers: { a: held }, logLines: 4, inAnyOrder: true },
  ),
  adaptive(
    'another status',
    'status',
    atOnce(1),
    { status: 429 },
    { answers: { a: held }, logLines: 2, inAnyOrder: true },
  ),
  adaptive(
    'a status that is no error',
    'low',
    atOnce(1),
    { status: 503 },
    { answers: { a: held }, logLines: 2, inAnyOrder: true },
  ),
  adaptive(
    'off',
    'disabled',
    atOnce(1),
    { status: 200 },
    { answers: { a: first }, logLines: 2, inAnyOrder: true },
  ),
  adaptive(
    'off by the runtime',
    'disabled-by-key',
    atOnce(1),
    { status: 200 },
    { answers: { a: first }, logLines: 2, inAnyOrder: true },
  ),
  adaptive('one after the other', 'one', inTurn(get('/x'), get('/x')), { status: [200, 200] }),
  adaptive(
    'requests that are given up make room',
    'given-up',
    async (play) => {
      await atOnce(1, 'gone')(play);
      const deadline = 50;
      for (let i = 0; ; i++) {
        const view = await one(play, asProbe('/x'));
        if (view.statuses[0] === 200 || i === deadline) return view;
      }
    },
    { status: 200 },
    { answers: { a: first }, ...uncounted },
  ),
  adaptive(
    'quick requests raise the limit',
    'quick',
    untilGauge('quick', 'concurrency_limit', 7),
    { client: /limit is 7/ },
    uncounted,
  ),
  adaptive(
    'the gradient is 2 at most',
    'quick-gradient',
    untilGauge('quick-gradient', 'gradient', 2000),
    { client: /gradient is 2000/ },
    uncounted,
  ),
  adaptive(
    'slow requests keep it low',
    'late',
    untilGauge('late', 'gradient', 500, '/later'),
    { client: /gradient is 500/ },
    uncounted,
  ),
  adaptive(
    'the fixed time is shown',
    'late',
    untilGauge('late', 'min_rtt_msecs', 1),
    { client: /min_rtt_msecs is 1/ },
    uncounted,
  ),
  adaptive(
    'the time is being measured',
    'one',
    untilGauge('one', 'min_rtt_calculation_active', 1),
    { client: /active is 1/ },
    uncounted,
  ),
  adaptive(
    'the time has been measured',
    'measured',
    untilGauge('measured', 'min_rtt_calculation_active', 0),
    { client: /active is 0/ },
    uncounted,
  ),
  adaptive(
    'the lowest limit is shown',
    'lowest',
    untilGauge('lowest', 'concurrency_limit', 5),
    { client: /limit is 5/ },
    uncounted,
  ),
  adaptive(
    'the limit of the measurement is shown',
    'measuring',
    untilGauge('measuring', 'concurrency_limit', 2),
    { client: /limit is 2/ },
    uncounted,
  ),
];

const percent = (value: number): Message => ({ default_value: { value } });
const byKey = (value: number, runtime_key: string): Message => ({ default_value: { value }, runtime_key });
const control = (name: string, fields: Message): Message =>
  httpListener(name, {
    routes: [
      { match: { prefix: '/nowhere' }, route: { cluster: 'nowhere' } },
      { match: { prefix: '/' }, route: { cluster: 'a' } },
    ],
    filters: [
      extension('admission', 'filters.http.admission_control.v3.AdmissionControl', {
        success_criteria: {},
        ...fields,
      }),
    ],
  });
const never = { max_rejection_probability: percent(0) };
const always = {
  sr_threshold: percent(100),
  max_rejection_probability: percent(100),
  aggression: { default_value: 1e9 },
};
const limited = (name: string, gradient: Message, fields: Message = {}): Message => {
  const { concurrency_limit_params: limit = {}, min_rtt_calc_params: rtt = {} } = gradient as {
    readonly concurrency_limit_params?: Message;
    readonly min_rtt_calc_params?: Message;
  };
  return httpListener(name, {
    filters: [
      extension('limit', 'filters.http.adaptive_concurrency.v3.AdaptiveConcurrency', {
        gradient_controller_config: {
          concurrency_limit_params: { concurrency_update_interval: '0.01s', ...limit },
          min_rtt_calc_params: rtt,
        },
        ...fields,
      }),
    ],
  });
};
const measured = (fields: Message): Message => ({ min_rtt_calc_params: { interval: '3600s', ...fields } });
const alone = measured({ min_concurrency: 1 });
const fixed = (value: string, limit: Message = {}): Message => ({
  concurrency_limit_params: limit,
  min_rtt_calc_params: { fixed_value: value },
});

export const groups: readonly Group[] = [
  {
    name: 'admission',
    backends: { a: http1Backend() },
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          control('free', never),
          control('own', {
            ...never,
            success_criteria: {
              http_criteria: {
                http_success_status: [
                  { start: 200, end: 300 },
                  { start: 429, end: 430 },
                ],
              },
              grpc_criteria: { grpc_success_status: [4] },
            },
          }),
          control('strict', always),
          control('successful', always),
          control('slow', { ...always, rps_threshold: { default_value: 1000 } }),
          control('off', { ...always, enabled: { default_value: false, runtime_key: 'none' } }),
          control('never', { ...always, ...never }),
          control('key-off', { ...always, enabled: { default_value: true, runtime_key: 'off' } }),
          control('key-on', { ...always, enabled: { default_value: false, runtime_key: 'on' } }),
          control('key-probability', { ...always, max_rejection_probability: byKey(0, 'percent.all') }),
          control('key-beyond', { ...always, max_rejection_probability: byKey(0, 'percent.beyond') }),
          control('key-rate', { ...always, rps_threshold: { default_value: 0, runtime_key: 'rate' } }),
          limited('disabled-by-key', alone, { enabled: { default_value: true, runtime_key: 'off' } }),
          control('half', { max_rejection_probability: percent(50), aggression: { default_value: 1e9 } }),
          limited('one', alone),
          limited('three', measured({})),
          limited('status', alone, { concurrency_limit_exceeded_status: { code: 'TooManyRequests' } }),
          limited('low', alone, { concurrency_limit_exceeded_status: { code: 'OK' } }),
          limited('disabled', alone, { enabled: { default_value: false, runtime_key: 'none' } }),
          limited('given-up', alone),
          limited('quick', fixed('100s', { max_concurrency_limit: 7 })),
          limited('quick-gradient', fixed('100s')),
          limited('late', fixed('0.001s')),
          limited('measured', measured({ request_count: 1 })),
          limited('lowest', fixed('0.001s', { min_concurrency_limit: 5 })),
          limited('measuring', {
            concurrency_limit_params: { min_concurrency_limit: 5 },
            min_rtt_calc_params: { interval: '3600s', min_concurrency: 2 },
          }),
        ],
        [cluster('a', [ports.a!])],
        {
          layered_runtime: {
            layers: [
              {
                name: 'static',
                static_layer: { off: false, on: true, percent: { all: 100, beyond: 101 }, rate: 1000 },
              },
            ],
          },
        },
      ),
    cases: [...admissions, ...adaptions],
  },
];

if (import.meta.main) compare(groups);
