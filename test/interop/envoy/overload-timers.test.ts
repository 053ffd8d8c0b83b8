/** Time-outs under pressure: which are shortened, how far, and that connections of before see it too. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { http1 as http1Backend } from './backend/http1.ts';
import { untilPage } from './harness/admin-lines.ts';
import { bootstrap, cluster, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Group, Play } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

const covers = 'overload';
const LONG = '600s';

const common = (fields: Message): Message => ({ common_http_protocol_options: fields });

interface Plan {
  readonly name: string;
  readonly pressure: number;
  /** Of the timers of an action, by the names of actions. */
  readonly actions: Readonly<Record<string, readonly Message[]>>;
  readonly trigger?: Message;
  /** Of all limits. */
  readonly limit?: string;
  readonly cases: readonly Case[];
}

function group({ name, pressure, actions, trigger, limit = LONG, cases }: Plan): Group {
  const on = { name: 'load', ...(trigger ?? { threshold: { value: 0.9 } }) };
  return {
    name: `shortened time-outs, ${name}`,
    backends: { a: http1Backend() },
    files: () => ({ load: `${pressure}\n` }),
    bootstrap: ({ ports }) => {
      const routes = [route('/')];
      return bootstrap(
        [
          httpListener('cx-idle', {
            routes,
            hcm: { ...common({ idle_timeout: limit }), drain_timeout: '0.05s' },
          }),
          httpListener('cx-max', {
            routes,
            hcm: {
              ...common({ max_connection_duration: limit, idle_timeout: '0s' }),
              drain_timeout: '0.05s',
            },
          }),
          httpListener('rq-idle', { routes, hcm: { stream_idle_timeout: limit } }),
          httpListener('rq-idle-route', { routes: [route('/', { idle_timeout: limit, timeout: '0s' })] }),
          httpListener(
            'spared',
            { routes, hcm: { stream_idle_timeout: limit } },
            { bypass_overload_manager: true },
          ),
        ],
        [cluster('a', [ports.a!])],
        {
          overload_manager: {
            refresh_interval: '0.05s',
            resource_monitors: [
              extension('load', 'resource_monitors.injected_resource.v3.InjectedResourceConfig', {
                filename: '@FOLDER@/load',
              }),
            ],
            actions: Object.entries(actions).map(([action, timers]) => ({
              name: action,
              triggers: [on],
              typed_config: {
                '@type': 'type.googleapis.com/envoy.config.overload.v3.ScaleTimersOverloadActionConfig',
                timer_scale_factors: timers,
              },
            })),
          },
        },
      );
    },
    cases: cases.map((one) => ({
      ...one,
      name: `shortened ${name}: ${one.name}`,
      play: async (play) => {
        if (pressure > 0) await untilPage(play, '/stats', /overload\.load\.pressure: [1-9]/);
        return await one.play(play);
      },
    })),
  };
}

const REDUCE = 'envoy.overload_actions.reduce_timeouts';
const least = (timer: string, timeout = '0.15s'): Message => ({ timer, min_timeout: timeout });
const part = (timer: string, value: number): Message => ({ timer, min_scale: { value } });
const CX_IDLE = 'HTTP_DOWNSTREAM_CONNECTION_IDLE';
const CX_MAX = 'HTTP_DOWNSTREAM_CONNECTION_MAX';
const RQ_IDLE = 'HTTP_DOWNSTREAM_STREAM_IDLE';
const pair = { methods: ['GET', 'GET'] };

const idleConnection: Case = {
  name: 'a connection without a request',
  covers,
  on: 'cx-idle',
  play: http1([get('/echo')], pair),
  expect: { status: 200, connection: 'closed', stats: { 'http.cx-idle.downstream_cx_idle_timeout': 1 } },
};
const idleConnection2: Case = {
  name: 'a connection of HTTP/2 without a request',
  covers,
  on: 'cx-idle',
  play: http2([h2Get('/echo'), { until: ({ goAways }) => goAways.length > 0 }], { noProbe: true }),
  expect: { status: 200, client: /^goaway/, stats: { 'http.cx-idle.downstream_cx_idle_timeout': 1 } },
};
const idleStream = (on: string): Case => ({
  name: `a request that waits, ${on}`,
  covers,
  on,
  play: http1([get('/slow')]),
  expect: {
    status: 504,
    log: / 504 SI stream_idle_timeout /,
    stats: { [`http.${on}.downstream_rq_idle_timeout`]: 1 },
  },
});
const oldConnection: Case = {
  name: 'a connection that lasts',
  covers,
  on: 'cx-max',
  play: http1([get('/echo')], pair),
  expect: {
    status: 200,
    connection: 'closed',
    stats: { 'http.cx-max.downstream_cx_max_duration_reached': 1 },
  },
};
const untouched: Case = {
  name: 'what is not named is as long as before',
  covers,
  on: 'cx-idle',
  play: http1([get('/echo')]),
  expect: { status: 200, connection: 'open' },
};

/** What Envoy sees of a file is that another takes its name. */
function press(play: Play, pressure: number): void {
  const file = join(play.folder, 'load');
  writeFileSync(`${file}.new`, `${pressure}\n`);
  renameSync(`${file}.new`, file);
}

export const groups: readonly Group[] = [
  group({
    name: 'to a length',
    pressure: 1,
    actions: { [REDUCE]: [least(CX_IDLE), least(CX_MAX), least(RQ_IDLE)] },
    cases: [
      idleConnection,
      idleConnection2,
      idleStream('rq-idle'),
      idleStream('rq-idle-route'),
      idleStream('spared'),
      oldConnection,
    ],
  }),
  group({
    name: 'to a part',
    pressure: 1,
    limit: '20s',
    actions: { [REDUCE]: [part(CX_IDLE, 1), part(RQ_IDLE, 1)] },
    cases: [idleConnection, idleStream('rq-idle')],
  }),
  group({
    name: 'scaled',
    pressure: 0.89,
    limit: '20s',
    trigger: { scaled: { scaling_threshold: 0.5, saturation_threshold: 0.89001 } },
    actions: { [REDUCE]: [least(CX_IDLE, '0.1s'), part(RQ_IDLE, 1)] },
    cases: [idleConnection, idleStream('rq-idle')],
  }),
  group({
    name: 'by an action of another name',
    pressure: 1,
    actions: { 'our.timeouts': [least(RQ_IDLE)], [REDUCE]: [least(CX_MAX)] },
    cases: [idleStream('rq-idle'), oldConnection, untouched],
  }),
  group({
    name: 'while they run',
    pressure: 0,
    actions: { [REDUCE]: [least(CX_IDLE), least(RQ_IDLE)] },
    cases: [
      {
        name: 'a request that waits already',
        covers,
        on: 'rq-idle',
        play: async (play) => {
          play.after(() => press(play, 0));
          return await http1([get('/slow'), { saw: /GET \/slow/ }, { act: () => press(play, 1) }])(play);
        },
        expect: { status: 504, log: / 504 SI stream_idle_timeout / },
      },
    ],
  }),
];

if (import.meta.main) compare(groups);
