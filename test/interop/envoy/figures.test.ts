/** Figures of listeners and their filters, as listeners and chains come and go. */
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { http1 as http1Backend } from './backend/http1.ts';
import { adminLines, untilPage } from './harness/admin-lines.ts';
import {
  bootstrap,
  cluster,
  extension,
  http,
  httpListener,
  listener,
  type Message,
  tcpProxy,
} from './harness/bootstrap.ts';
import type { Case, Group, Play, Script } from './harness/case.ts';
import { compare } from './harness/compare.ts';

const resources = (...all: readonly Message[]): string =>
  JSON.stringify({
    resources: all.map((one) => ({
      '@type': 'type.googleapis.com/envoy.config.listener.v3.Listener',
      ...one,
    })),
  });

const fault = extension('envoy.filters.http.fault', 'filters.http.fault.v3.HTTPFault', {
  abort: { http_status: 418, percentage: { numerator: 0 } },
});
const cors = extension('envoy.filters.http.cors', 'filters.http.cors.v3.Cors', {});
const limit = (stat_prefix: string): Message =>
  extension('envoy.filters.network.connection_limit', 'filters.network.connection_limit.v3.ConnectionLimit', {
    stat_prefix,
    max_connections: 5,
  });

/** A listener whose connection manager counts as `prefix`. */
const web = (name: string, prefix: string, ...filters: readonly Message[]): Message =>
  listener(name, http(prefix, { filters }));
const raw = (name: string, prefix: string): Message => {
  const made = listener(name, tcpProxy(prefix)) as { filter_chains: [{ filters: Message[] }] };
  made.filter_chains[0].filters.unshift(limit(prefix));
  return made;
};

/** Counters that each of their scopes has, of filters that count as `x`-something. */
const SIGNS =
  /^(?:(?:http|tcp)\.x\w*\.(?:downstream_cx_total|fault\.aborts_injected|cors\.origin_valid)|connection_limit\.x\w*\.limited_connections|listener\.x\w*\.(?:http\.x\w*\.downstream_rq_completed|downstream_cx_total)): \d+/;

/** Puts the listeners in the place of those of the file, waits until the statistics are so, and shows them. */
async function tell(play: Play, title: string, text: string, until: RegExp): Promise<string[]> {
  const next = join(play.folder, 'next.json');
  writeFileSync(next, text);
  renameSync(next, join(play.folder, 'listeners.json'));
  await untilPage(play, '/stats', until);
  await untilPage(play, '/stats', /^listener_manager\.total_listeners_draining: 0$/m);
  await untilPage(play, '/stats', /^listener_manager\.total_filter_chains_draining: 0$/m);
  return [title, ...(await adminLines(play, '/stats', SIGNS))];
}

const there = (path: string): RegExp => new RegExp(`^${path.replaceAll('.', '\\.')}: `, 'm');
const gone = (path: string): RegExp => new RegExp(`^(?![\\s\\S]*\\n${path.replaceAll('.', '\\.')}: )`);

/** What is told one after the other, and what shows that it has come. */
const told =
  (...acts: readonly (readonly [title: string, listeners: readonly Message[], until: RegExp])[]): Script =>
  async (play) => {
    const lines: string[] = [];
    for (const [title, listeners, until] of acts) {
      lines.push(...(await tell(play, title, resources(...listeners), until)));
    }
    await tell(play, '', resources(), /^(?![\s\S]*\nlistener\.x)/);
    return { statuses: [], lines };
  };

const stat_prefix = (name: string, made: Message): Message => ({ ...made, stat_prefix: name });
const CX = 'downstream_cx_total';

const row = (name: string, play: Script, expect: Case['expect']): Case => ({
  name: `figures: ${name}`,
  covers: 'virtual-clusters',
  play,
  expect,
  logLines: 0,
  uncounted: 'figures come and go',
});

const casesOn = (threads: string): readonly Case[] => [
  row(
    `${threads}of a connection manager and its filters`,
    told(
      ['there', [stat_prefix('x', web('x1', 'x', fault, cors))], there(`http.x.${CX}`)],
      ['gone', [], gone(`http.x.${CX}`)],
    ),
    { client: [/^http\.x\.fault\.aborts_injected: 0$/, /^gone$/] },
  ),
  row(
    `${threads}of a prefix that two listeners have`,
    told(
      [
        'both',
        [stat_prefix('x', web('x1', 'x', fault)), stat_prefix('xx', web('x2', 'x', cors))],
        there(`listener.xx.${CX}`),
      ],
      ['one', [stat_prefix('xx', web('x2', 'x', cors))], gone(`listener.x.${CX}`)],
    ),
    { client: [/^http\.x\.downstream_cx_total: 0$/] },
  ),
  row(
    `${threads}of a prefix that is another after an update in place`,
    told(
      ['before', [stat_prefix('x', web('x1', 'x', fault))], there(`http.x.${CX}`)],
      ['after', [stat_prefix('x', web('x1', 'xy', cors))], gone(`http.x.${CX}`)],
    ),
    { client: [/^http\.xy\.cors\.origin_valid: 0$/] },
  ),
  row(
    `${threads}of a filter that is taken out`,
    told(
      ['before', [stat_prefix('x', web('x1', 'x', fault, cors))], there('http.x.fault.aborts_injected')],
      ['after', [stat_prefix('x', web('x1', 'x', cors))], gone('http.x.fault.aborts_injected')],
    ),
    { client: [/^http\.x\.cors\.origin_valid: 0$/] },
  ),
  row(
    `${threads}of tcp_proxy and what stands before it`,
    told(
      ['there', [stat_prefix('x', raw('x1', 'x'))], there(`tcp.x.${CX}`)],
      ['other', [stat_prefix('x', raw('x1', 'xy'))], gone(`tcp.x.${CX}`)],
      ['gone', [], gone(`tcp.xy.${CX}`)],
    ),
    { client: [/^connection_limit\.xy\.limited_connections: 0$/, /^gone$/] },
  ),
];

const group = (name: string, threads: string, ...flags: readonly string[]): Group => ({
  name,
  backends: { a: http1Backend() },
  files: () => ({ 'listeners.json': resources() }),
  flags: ['--drain-time-s', '1', ...flags],
  bootstrap: ({ ports: { a = 0 } }) =>
    bootstrap([httpListener('main')], [cluster('a', [a])], {
      node: { id: 'n', cluster: 'n' },
      dynamic_resources: {
        lds_config: {
          path_config_source: {
            path: '@FOLDER@/listeners.json',
            watched_directory: { path: '@FOLDER@' },
          },
        },
      },
    }),
  cases: casesOn(threads),
});

export const groups: readonly Group[] = [
  group('listeners that come and go', ''),
  group('listeners that come and go on several threads', 'threads: ', '--concurrency', '2'),
];

if (import.meta.main) compare(groups);
