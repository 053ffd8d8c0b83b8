/** Figures of virtual clusters and routes, as tables come and go. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { http1 as http1Backend } from './backend/http1.ts';
import { adminLines, untilPage } from './harness/admin-lines.ts';
import {
  bootstrap,
  cluster,
  http,
  httpListener,
  listener,
  type Message,
  route,
} from './harness/bootstrap.ts';
import type { Case, Group, Play, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

const file = (name: string): Message => ({
  path_config_source: { path: `@FOLDER@/${name}`, watched_directory: { path: '@FOLDER@' } },
});

/** A virtual host whose figures are those of `names`: of a virtual cluster and of a route each. */
const host = (name: string, names: readonly string[]): Message => ({
  name,
  domains: ['*'],
  virtual_clusters: names.map((one) => ({
    name: one,
    headers: [{ name: ':path', string_match: { prefix: `/${one}` } }],
  })),
  routes: [...names.map((one) => route(`/${one}`, {}, { stat_prefix: one })), route('/')],
});

const table = (name: string, ...names: readonly string[]): Message => ({
  '@type': 'type.googleapis.com/envoy.config.route.v3.RouteConfiguration',
  name,
  virtual_hosts: [host(`of-${name}`, names)],
});

const web = (name: string, ...names: readonly string[]): Message => ({
  '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
  ...listener(name, http(name, { hosts: [host(`of-${name}`, names)] })),
});

const resources = (...all: readonly Message[]): string => JSON.stringify({ resources: all });

/** Puts the resources in the place of those of the file, and waits for that line of the statistics. */
async function tell(play: Play, name: string, text: string, sign: RegExp): Promise<void> {
  const next = join(play.folder, 'next.json');
  writeFileSync(next, text);
  renameSync(next, join(play.folder, name));
  await untilPage(play, '/stats', sign);
}

/** Of the listener or table of that name. */
const figures = async (play: Play, of: string, title: string): Promise<string[]> => {
  const lines = await adminLines(play, '/stats', new RegExp(`^vhost\\.of-${of}\\..*upstream_rq_total: `));
  return [title, ...lines];
};

const tables: Script = async (play) => {
  await http1([get('/one')])(play);
  const first = await figures(play, 'table', 'first');
  await tell(play, 'routes.json', resources(table('table', 'one', 'two')), /^vhost\.of-table.*\.two\./m);
  await http1([get('/two')])(play);
  const both = await figures(play, 'table', 'both');
  await tell(
    play,
    'routes.json',
    resources(table('table', 'two')),
    /^(?![\s\S]*\nvhost\.of-table.*\.one\.upstream_rq_total)/,
  );
  const last = await figures(play, 'table', 'last');
  await tell(
    play,
    'routes.json',
    resources(table('table', 'one', 'two')),
    /^vhost\.of-table.*\.one\.upstream_rq_total/m,
  );
  const again = await figures(play, 'table', 'again');
  return { statuses: [], lines: [...first, ...both, ...last, ...again] };
};

const listeners: Script = async (play) => {
  const first = await figures(play, 'own', 'first');
  await tell(play, 'listeners.json', resources(web('own', 'two', 'three')), /^vhost\.of-own.*\.three\./m);
  await untilPage(play, '/stats', /^(?![\s\S]*\nvhost\.of-own.*\.one\.upstream_rq_total)/);
  const other = await figures(play, 'own', 'other');
  await tell(play, 'listeners.json', resources(), /^(?![\s\S]*\nvhost\.of-own.*upstream_rq_total)/);
  const none = await figures(play, 'own', 'none');
  return { statuses: [], lines: [...first, ...other, ...none] };
};

const row = (name: string, play: Script, expect: Case['expect']): Case => ({
  name: `figures: ${name}`,
  covers: 'virtual-clusters',
  play,
  expect,
  logLines: 0,
  uncounted: 'figures come and go',
});

export const groups: readonly Group[] = [
  {
    name: 'route tables that change',
    backends: { a: http1Backend() },
    files: () => ({
      'routes.json': resources(table('table', 'one')),
      'listeners.json': resources(web('own', 'one', 'two')),
    }),
    flags: ['--drain-time-s', '1'],
    bootstrap: ({ ports: { a = 0 } }) =>
      bootstrap(
        [
          httpListener('main', {
            hcm: {
              route_config: undefined,
              rds: { route_config_name: 'table', config_source: file('routes.json') },
            },
          }),
        ],
        [cluster('a', [a])],
        {
          node: { id: 'n', cluster: 'n' },
          dynamic_resources: { lds_config: file('listeners.json') },
        },
      ),
    cases: [
      row('those of a table that goes, go with it', tables, {
        client: [/^last$/, /^vhost\.of-table\.vcluster\.one\.upstream_rq_total: 0$/],
      }),
      row('those of a listener go when it has drained', listeners, { client: /^none$/ }),
    ],
  },
];

if (import.meta.main) compare(groups);
