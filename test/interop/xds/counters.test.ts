/** What is counted of updates, cluster by cluster and table by table: Envoy beside Heddle. */
import type { JsonObject } from '@bufbuild/protobuf';
import {
  ads,
  adsBootstrap,
  assignment,
  cluster,
  delta,
  edsCluster,
  listener,
  routes,
  state,
} from './resources.ts';
import { playScripts, type Script, type Step } from './script.ts';

type Send = (kind: 'cluster' | 'endpoint' | 'listener' | 'route', n: number, all: JsonObject[]) => JsonObject;

const of = (path: string, names: string): string[] => names.split(' ').map((name) => `${path}.${name}`);
const all = 'update_attempt update_success update_rejected update_failure';
const stats = [
  ...of('cluster.b', `${all} update_no_rebuild update_empty membership_change`),
  ...of('cluster.a', 'update_attempt update_success'),
  ...of('http.web.rds.r', `${all} config_reload`),
  ...of('cluster_manager.cds', 'update_success update_rejected'),
  ...of('listener_manager.lds', 'update_success update_rejected'),
];

/** Refused by their fields alone: for what Envoy finds later it counts two attempts. */
const badEndpoints = { ...assignment('b', 1), policy: { overprovisioning_factor: 0 } };
const badRoutes = { ...routes('r', 'x'), virtual_hosts: [{ name: 'x', domains: [] }] };

const stepsOf = (message: Send): readonly Step[] => {
  const step = (
    name: string,
    sent: readonly (readonly [Parameters<Send>[0], number, JsonObject[]])[],
    ...envoy: readonly RegExp[]
  ): Step => ({
    name,
    async play({ send }) {
      for (const [kind, n, resources] of sent) await send(message(kind, n, resources));
    },
    envoy,
    stats,
  });
  return [
    step(
      'clusters ask for their endpoints',
      [['cluster', 1, [cluster('a'), edsCluster('b')]]],
      /^cluster\.b\.update_attempt 1$/,
      /^cluster\.b\.update_success 0$/,
      /^cluster\.a\.update_attempt 0$/,
    ),
    step(
      'endpoints come',
      [['endpoint', 2, [assignment('b', 1)]]],
      /^cluster\.b\.update_attempt 2$/,
      /^cluster\.b\.update_success 1$/,
      /^cluster\.b\.update_no_rebuild 0$/,
    ),
    step(
      'the same endpoints come',
      [['endpoint', 3, [assignment('b', 1)]]],
      /^cluster\.b\.update_success 2$/,
      /^cluster\.b\.update_no_rebuild 1$/,
    ),
    step(
      'others come',
      [['endpoint', 4, [assignment('b', 2)]]],
      /^cluster\.b\.update_success 3$/,
      /^cluster\.b\.update_no_rebuild 1$/,
      /^cluster\.b\.membership_change 2$/,
    ),
    step(
      'a listener asks for its routes',
      [['listener', 5, [listener('web', 'r')]]],
      /^http\.web\.rds\.r\.update_attempt 1$/,
    ),
    step(
      'routes come',
      [['route', 6, [routes('r', 'one')]]],
      /^http\.web\.rds\.r\.update_attempt 2$/,
      /^http\.web\.rds\.r\.config_reload 1$/,
    ),
    step(
      'the same routes come',
      [['route', 7, [routes('r', 'one')]]],
      /^http\.web\.rds\.r\.update_success 2$/,
      /^http\.web\.rds\.r\.config_reload 1$/,
    ),
    step(
      'other routes come',
      [['route', 8, [routes('r', 'two')]]],
      /^http\.web\.rds\.r\.config_reload 2$/,
      /answers 200 two/,
    ),
    step(
      'routes are refused',
      [['route', 9, [badRoutes]]],
      /^http\.web\.rds\.r\.update_rejected 1$/,
      /^http\.web\.rds\.r\.update_attempt 5$/,
    ),
    step(
      'endpoints are refused',
      [['endpoint', 10, [badEndpoints]]],
      /^cluster\.b\.update_rejected 1$/,
      /^cluster\.b\.update_attempt 5$/,
    ),
    step(
      'another version of a listener asks for the same routes',
      [['listener', 11, [{ ...listener('web', 'r'), traffic_direction: 'OUTBOUND' }]]],
      /^http\.web\.rds\.r\.update_attempt 5$/,
    ),
  ];
};

const deltaSteps: readonly Step[] = [
  {
    name: 'endpoints are said to be removed',
    play: ({ send }) => send(delta('endpoint', 12, [], { removed: ['b'] })),
    envoy: [/^cluster\.b\.update_attempt/],
    stats,
  },
  {
    name: 'routes are said to be removed',
    play: ({ send }) => send(delta('route', 13, [], { removed: ['r'] })),
    envoy: [/^http\.web\.rds\.r\.update_attempt/],
    stats,
  },
  {
    name: 'endpoints cannot be had',
    play: ({ send }) => send(delta('endpoint', 14, [], { errors: ['b'] })),
    envoy: [/^cluster\.b\.update_attempt/],
    stats,
  },
];

const whoCounts = [
  ...of('cluster.shown', all),
  ...of('cluster.c', all),
  ...of('cluster.one', all),
  ...of('cluster.other', all),
  ...of('http.web.rds.r', `${all} config_reload`),
  ...of('http.more.rds.r', `${all} config_reload`),
];

/** Envoy answers for clusters when none warms any more. */
const unanswered = { unanswered: true } as const;

const askerSteps: readonly Step[] = [
  {
    name: 'clusters ask: one is shown by another name, two have one assignment',
    play: ({ send }) =>
      send(
        delta('cluster', 1, [
          { ...edsCluster('c'), alt_stat_name: 'shown' },
          edsCluster('one', ads, 'both'),
          edsCluster('other', ads, 'both'),
        ]),
        unanswered,
      ),
    envoy: [/^cluster\.shown\.update_attempt 1/, /^cluster\.other\.update_attempt 1/],
    stats: whoCounts,
  },
  {
    name: 'endpoints come',
    play: ({ send }) => send(delta('endpoint', 2, [assignment('c', 1), assignment('both', 1)])),
    envoy: [
      /^cluster\.shown\.update_success 1/,
      /^cluster\.one\.update_success 1/,
      /^cluster\.other\.update_success 1/,
    ],
    stats: whoCounts,
  },
  {
    name: 'listeners ask for the same routes',
    async play({ send }) {
      await send(delta('listener', 3, [listener('web', 'r')]));
      await send(delta('route', 4, [routes('r', 'one')]));
      await send(delta('listener', 5, [listener('more', 'r')]));
    },
    envoy: [/^http\.web\.rds\.r\.update_attempt 2/, /^http\.more\.rds\.r\.update_attempt 0/],
    stats: whoCounts,
  },
  {
    name: 'other routes come for both',
    play: ({ send }) => send(delta('route', 6, [routes('r', 'two')])),
    envoy: [/^http\.web\.rds\.r\.config_reload 2/, /^listener more answers 200 two/],
    stats: whoCounts,
  },
  {
    name: 'the first of the listeners goes',
    async play({ send, drained }) {
      await send(delta('listener', 7, [], { removed: ['web'] }));
      await drained(1);
      await send(delta('route', 8, [routes('r', 'three')]));
    },
    envoy: [/^http\.web\.rds\.r\.config_reload 3/, /^listener more answers 200 three/],
    stats: whoCounts,
  },
  {
    name: 'a cluster goes',
    async play({ send, gone }) {
      await send(delta('cluster', 9, [], { removed: ['one'] }));
      await gone('one');
    },
    envoy: [/^cluster\.one\.update_success 0/, /^cluster\.other\.update_success 1/],
    stats: whoCounts,
  },
];

export const scripts: readonly Script[] = [
  {
    name: 'counters of updates, delta',
    bootstrap: adsBootstrap('DELTA_GRPC'),
    steps: [...stepsOf((kind, n, resources) => delta(kind, n, resources)), ...deltaSteps],
  },
  {
    name: 'counters of updates, delta: who counts',
    bootstrap: adsBootstrap('DELTA_GRPC'),
    onlyDecisions: true,
    steps: askerSteps,
  },
  {
    name: 'counters of updates, state of the world',
    bootstrap: adsBootstrap('GRPC'),
    steps: stepsOf((kind, n, resources) => state(kind, n, ...resources)),
  },
  {
    name: 'counters of updates, delta: two threads',
    bootstrap: adsBootstrap('DELTA_GRPC'),
    concurrency: 2,
    steps: stepsOf((kind, n, resources) => delta(kind, n, resources)),
  },
];

if (import.meta.main) playScripts('counters of updates', scripts);
