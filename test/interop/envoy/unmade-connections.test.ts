/** Connections to upstreams that do not come about, and what becomes of all that wait for one. */
import { setTimeout as wait } from 'node:timers/promises';
import { onTcp } from './backend/exchange.ts';
import { tcp as tcpBackend } from './backend/tcp.ts';
import { adminLines, untilPage } from './harness/admin-lines.ts';
import {
  bootstrap,
  cluster,
  extension,
  http2Cluster,
  httpListener,
  type Message,
  protocolOptions,
  route,
} from './harness/bootstrap.ts';
import type { Case, Group, Play } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

/** Between what begins first and what begins next; far less than connections have time. */
const APART_MS = 300;

interface Waiting {
  readonly name: string;
  readonly to: string;
  /** That wait when the second begins, and after the first has failed. */
  readonly connections: number;
  /** Sent when the first has failed: it waits for what the second began. */
  readonly third?: true;
}

const failing = ({ name, to, connections, third }: Waiting): Case => ({
  name: `unmade: ${name}`,
  covers: 'clusters',
  play: async (play: Play) => {
    const until = (stat: string, value: number): Promise<void> =>
      untilPage(play, '/stats', new RegExp(`^cluster\\.${to}\\.${stat}: ${value}$`, 'm'));
    const shown = (): Promise<string[]> =>
      adminLines(
        play,
        '/stats',
        new RegExp(
          `^cluster\\.${to}\\.upstream_(cx_total|cx_connect_fail|rq_pending_active|rq_pending_failure_eject):`,
        ),
      );
    const ask = () => http1([get(`/${to}`)], { noProbe: true })(play);
    const asking = [ask()];
    await until('upstream_rq_pending_active', 1);
    await wait(APART_MS);
    asking.push(ask());
    await until('upstream_rq_pending_active', 2);
    await until('upstream_cx_total', connections);
    await asking[0];
    const lines = await shown();
    if (third === true) {
      asking.push(ask());
      await asking.at(-1);
      lines.push(...(await shown()));
    }
    const views = await Promise.all(asking);
    return { statuses: views.flatMap(({ statuses }) => statuses), lines };
  },
  answers: { quiet: onTcp(() => undefined) },
  expect: {
    status: third === true ? [503, 503, 503] : [503, 503],
    log: / 503 UF .*connection_timeout/,
    client: [/pending_active: 0/, /pending_failure_eject: 2/, /cx_connect_fail: 1/],
  },
  logLines: third === true ? 3 : 2,
  inAnyOrder: true,
});

const cases: readonly Case[] = [
  failing({ name: 'one fails all that wait', to: 'one', connections: 2 }),
  failing({ name: 'one of HTTP/2 fails all that wait for it', to: 'shared', connections: 1 }),
  failing({ name: 'one of HTTP/2 fails those that wait for others', to: 'lonely', connections: 2 }),
  failing({ name: 'the next waits for what is on its way', to: 'next', connections: 2, third: true }),
];

export const groups: readonly Group[] = [
  {
    name: 'unmade connections',
    backends: { quiet: tcpBackend() },
    bootstrap: ({ ports: { quiet = 0 } }) => {
      const silent: Message = {
        connect_timeout: '1s',
        transport_socket: extension('tls', 'transport_sockets.tls.v3.UpstreamTlsContext'),
      };
      const lonely = protocolOptions({
        explicit_http_config: { http2_protocol_options: { max_concurrent_streams: 1 } },
      });
      const clusters = [
        cluster('one', [quiet], silent),
        cluster('next', [quiet], silent),
        http2Cluster('shared', [quiet], silent),
        http2Cluster('lonely', [quiet], { ...silent, ...lonely }),
      ];
      return bootstrap(
        [
          httpListener('main', {
            routes: clusters.map(({ name }) => route(`/${String(name)}`, { cluster: String(name) })),
          }),
        ],
        clusters,
      );
    },
    cases,
  },
];

if (import.meta.main) compare(groups);
