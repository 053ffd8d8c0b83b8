/** The overload manager: what is refused, and how much of it, at a pressure that stands in a file. */
import { http1 as http1Backend } from './backend/http1.ts';
import { thenPage, untilPage } from './harness/admin-lines.ts';
import {
  bootstrap,
  cluster,
  extension,
  httpListener,
  listener,
  type Message,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Group, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

const above = (value: number): Message => ({ name: 'load', threshold: { value } });
const scaled = (from: number, full: number): Message => ({
  name: 'load',
  scaled: { scaling_threshold: from, saturation_threshold: full },
});
const action = (name: string, trigger: Message): Message => ({
  name: `envoy.overload_actions.${name}`,
  triggers: [trigger],
});
const point = (name: string, trigger: Message): Message => ({
  name: `envoy.load_shed_points.${name}`,
  triggers: [trigger],
});

interface Plan {
  readonly pressure: number;
  readonly actions?: readonly Message[];
  readonly points?: readonly Message[];
}

function group(name: string, { pressure, actions = [], points = [] }: Plan, cases: readonly Case[]): Group {
  return {
    name: `overload, ${name}`,
    backends: { a: http1Backend() },
    files: () => ({ load: `${pressure}\n` }),
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main'),
          httpListener('known', { codec: 'HTTP1' }),
          httpListener('spared', {}, { bypass_overload_manager: true }),
          listener('tcp', tcpProxy('tcp')),
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
            actions,
            loadshed_points: points,
          },
        },
      ),
    cases: cases.map((one) => ({ ...one, play: settled(one.play) })),
  };
}

/** Plays once the pressure is known. */
const settled =
  (script: Script): Script =>
  async (play) => {
    await untilPage(play, '/stats', /overload\.load\.pressure: [1-9]/);
    return await script(play);
  };

const shown = /^overload\.(?!refresh_interval_delay)/;
const covers = 'overload';

export const groups: readonly Group[] = [
  group(
    'requests are refused',
    {
      pressure: 0.95,
      actions: [
        action('stop_accepting_requests', above(0.95)),
        action('disable_http_keepalive', scaled(0.5, 0.9)),
      ],
    },
    [
      {
        name: 'requests of HTTP/1',
        covers,
        play: thenPage(http1([get('/a')]), '/stats', shown),
        expect: {
          status: 503,
          log: / 503 - overload/,
          client: [
            /stop_accepting_requests\.active: 1/,
            /stop_accepting_requests\.scale_percent: 100/,
            /load\.pressure: 95/,
          ],
          upstream: 'nothing',
        },
      },
      {
        name: 'requests of HTTP/2',
        covers,
        play: http2([h2Get('/a')]),
        expect: { status: 503, upstream: 'nothing', log: / 503 - overload/ },
      },
      {
        name: 'requests of a listener that is spared',
        covers,
        on: 'spared',
        play: http1([get('/a')]),
        expect: { status: 200, log: / 200 / },
      },
      {
        name: 'connections of TCP go on',
        covers,
        on: 'tcp',
        play: http1([get('/a')]),
        expect: { status: 200 },
      },
    ],
  ),
  group(
    'connections end',
    {
      pressure: 0.7,
      actions: [
        action('stop_accepting_requests', above(0.71)),
        action('disable_http_keepalive', above(0.7)),
        action('reject_incoming_connections', scaled(0.7, 0.9)),
        action('stop_accepting_connections', scaled(0.6, 0.9)),
      ],
    },
    [
      {
        name: 'a response of HTTP/1 is the last of its connection',
        covers,
        play: thenPage(http1([get('/a')]), '/stats', shown),
        expect: {
          status: 200,
          client: [
            /connection: close/,
            /disable_http_keepalive\.active: 1/,
            /stop_accepting_connections\.scale_percent: 33/,
          ],
          stats: { 'http.main.downstream_cx_overload_disable_keepalive': 1 },
        },
      },
      {
        name: 'a connection of HTTP/2 ends after its requests',
        covers,
        play: http2([h2Get('/a')]),
        expect: { status: 200, client: /goaway/ },
      },
    ],
  ),
  group(
    'connections are refused',
    { pressure: 1, actions: [action('reject_incoming_connections', scaled(0.2, 0.9))] },
    [
      {
        name: 'a connection of HTTP',
        covers,
        play: http1([get('/a')]),
        expect: {
          connection: 'closed',
          upstream: 'nothing',
          stats: { 'listener.main.downstream_cx_overload_reject': 1 },
        },
      },
      {
        name: 'a connection of TCP',
        covers,
        on: 'tcp',
        play: http1([get('/a')]),
        expect: { connection: 'closed', upstream: 'nothing' },
      },
      {
        name: 'not one that is spared',
        covers,
        on: 'spared',
        play: http1([get('/a')]),
        expect: { status: 200 },
      },
    ],
  ),
  group('points: accept', { pressure: 0.5, points: [point('tcp_listener_accept', above(0.4))] }, [
    {
      name: 'a connection is shed as it comes',
      covers,
      play: http1([get('/a')]),
      expect: { connection: 'closed', upstream: 'nothing' },
    },
  ]),
  group(
    'points: heads',
    { pressure: 0.5, points: [point('http_connection_manager_decode_headers', scaled(0.1, 0.5))] },
    [
      {
        name: 'a request is shed when its head is there',
        covers,
        play: thenPage(http1([get('/a')]), '/stats', shown),
        expect: {
          status: 503,
          upstream: 'nothing',
          client: [/decode_headers\.scale_percent: 100/, /shed_load_count: 2/],
        },
      },
    ],
  ),
  group('points: codecs', { pressure: 0.5, points: [point('hcm_ondata_creating_codec', above(0.4))] }, [
    {
      name: 'a connection is shed with its first bytes',
      covers,
      play: http1([get('/a')]),
      expect: { connection: 'closed', upstream: 'nothing' },
    },
    {
      name: 'also where the codec is known',
      covers,
      on: 'known',
      play: http1([get('/a')]),
      expect: { connection: 'closed', upstream: 'nothing' },
    },
  ]),
  group('points: HTTP/1', { pressure: 0.5, points: [point('http1_server_abort_dispatch', above(0.4))] }, [
    {
      name: 'a request of HTTP/1 is shed',
      covers,
      play: http1([get('/a')]),
      expect: { status: 500, upstream: 'nothing' },
    },
    { name: 'one of HTTP/2 is not', covers, play: http2([h2Get('/a')]), expect: { status: 200 } },
  ]),
  group(
    'points: HTTP/2',
    { pressure: 0.5, points: [point('http2_server_go_away_on_dispatch', above(0.4))] },
    [
      {
        name: 'a connection of HTTP/2 is told to go',
        covers,
        play: http2([h2Get('/a')]),
        expect: { client: [/goaway/] },
      },
      { name: 'one of HTTP/1 is not', covers, play: http1([get('/a')]), expect: { status: 200 } },
    ],
  ),
];

if (import.meta.main) compare(groups);
