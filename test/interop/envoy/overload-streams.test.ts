/** Streams that hold much memory, under pressure: which are reset, and what is told of them. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { thenPage, untilPage } from './harness/admin-lines.ts';
import { bootstrap, cluster, extension, httpListener } from './harness/bootstrap.ts';
import type { Case, Group, Play } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';

const covers = 'overload';
const shown = /reset_high_memory_stream\.(?:active|scale_percent|count)|reset_high_memory_stream\.count/;

/** What Envoy sees of a file is that another takes its name. */
function press(play: Play, pressure: number): void {
  const file = join(play.folder, 'load');
  writeFileSync(`${file}.new`, `${pressure}\n`);
  renameSync(`${file}.new`, file);
}

const answer = (bytes: number): string =>
  `HTTP/1.1 200 OK\r\ncontent-length: ${bytes}\r\n\r\n${'x'.repeat(bytes)}`;

/** The client's window is shut: the proxy holds the body. */
const held = { settings: [[4, 0]] as const, noProbe: true };

interface Row {
  readonly name: string;
  readonly bytes: number;
  readonly pressure: number;
  readonly isReset: boolean;
}

const row = ({ name, bytes, pressure, isReset }: Row): Case => ({
  name,
  covers,
  answers: { a: onHttp1(({ write }) => write(answer(bytes))) },
  play: thenPage(
    async (play) => {
      play.after(() => press(play, 0));
      return await http2(
        [
          h2Get('/big'),
          { until: (peer) => peer.stream(1).status === 200 },
          {
            act: async (_play, peer) => {
              await untilPage(play, '/stats', /^cluster.a.upstream_rq_active: 0$/m);
              press(play, pressure);
              await untilPage(
                play,
                '/stats',
                new RegExp(`^overload.load.pressure: ${Math.floor(100 * pressure)}$`, 'm'),
              );
              if (!isReset) {
                await untilPage(play, '/stats', /reset_high_memory_stream.scale_percent: [1-9]/);
                peer.send(Buffer.from([0, 0, 4, 8, 0, 0, 0, 0, 1, 0, 0x0f, 0, 0]));
              }
            },
          },
        ],
        held,
      )(play);
    },
    '/stats',
    shown,
  ),
  expect: isReset ? { status: 200, client: /^reset / } : { status: 200, never: /^reset / },
});

const group = (power: number, cases: readonly Case[]): Group => ({
  name: `streams that hold much, from two to the power of ${power}`,
  backends: { a: http1Backend() },
  files: () => ({ load: '0\n' }),
  bootstrap: ({ ports }) =>
    bootstrap([httpListener('main')], [cluster('a', [ports.a!])], {
      overload_manager: {
        refresh_interval: '0.05s',
        resource_monitors: [
          extension('load', 'resource_monitors.injected_resource.v3.InjectedResourceConfig', {
            filename: '@FOLDER@/load',
          }),
        ],
        buffer_factory_config: { minimum_account_to_track_power_of_two: power },
        actions: [
          {
            name: 'envoy.overload_actions.reset_high_memory_stream',
            triggers: [{ name: 'load', scaled: { scaling_threshold: 0.5, saturation_threshold: 0.9 } }],
          },
        ],
      },
    }),
  cases,
});

export const groups: readonly Group[] = [
  // Envoy counts the memory of its buffers, which may be some times what is in them.
  group(18, [
    row({ name: 'one of the heaviest is reset', bytes: 900_000, pressure: 0.8, isReset: true }),
    row({ name: 'a lighter one is not yet', bytes: 600_000, pressure: 0.6, isReset: false }),
    row({ name: 'a lighter one is reset in the end', bytes: 600_000, pressure: 0.95, isReset: true }),
    row({
      name: 'one that holds less than is counted is not',
      bytes: 20_000,
      pressure: 0.95,
      isReset: false,
    }),
    {
      name: 'what is over is not reset',
      covers,
      play: thenPage(http1([get('/echo')]), '/stats', shown),
      expect: { status: 200 },
    },
  ]),
];

if (import.meta.main) compare(groups);
