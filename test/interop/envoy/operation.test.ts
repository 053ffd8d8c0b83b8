/** What changes while a proxy runs: health that is failed, listeners that are drained, certificates that come anew. */
import assert from 'node:assert/strict';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { eventually } from '../../support/eventually.ts';
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import {
  bootstrap,
  cluster,
  extension,
  http,
  httpListener,
  listener,
  type Message,
} from './harness/bootstrap.ts';
import type { Case, Group, Places, Play } from './harness/case.ts';
import type { Leaf } from './harness/certificates.ts';
import { compare } from './harness/compare.ts';
import { Channel } from './wire/channel.ts';
import { answersOn, get, http1, takeStep } from './wire/http1.ts';
import { h2Get, http2 } from './wire/http2.ts';
import { https, type TcpOptions } from './wire/tcp.ts';

const post =
  (path: string) =>
  (play: Play): Promise<string> =>
    play.admin(path, 'POST');

const health: readonly Case[] = [
  {
    name: 'health: failed, the next answer closes',
    covers: 'listeners',
    play: async (play) => {
      await post('/healthcheck/fail')(play);
      return http1([get('/echo')])(play);
    },
    expect: {
      status: 200,
      client: /^connection: close/,
      stats: { 'http.main.downstream_cx_drain_close': 1 },
    },
  },
  {
    name: 'health: failed, HTTP/2 says goodbye',
    covers: 'listeners',
    play: http2([h2Get('/echo'), { until: ({ goAways }) => goAways.length > 0 }], { noProbe: true }),
    expect: { status: 200, client: /^goaway 2147483647 NO_ERROR/ },
  },
  {
    name: 'health: well again',
    covers: 'listeners',
    play: async (play) => {
      await post('/healthcheck/ok')(play);
      return http1([get('/echo')])(play);
    },
    expect: { status: 200, connection: 'open' },
  },
];

const draining: readonly Case[] = [
  {
    name: 'drain: a request under way ends',
    covers: 'listeners',
    play: async (play) => {
      const channel = new Channel(play);
      await takeStep(channel, play, get('/held'));
      await takeStep(channel, play, { saw: /\/held/ });
      await post('/drain_listeners')(play);
      play.backend('a').cue();
      return answersOn(channel);
    },
    answers: {
      a: onHttp1(async (x) => {
        await x.cue();
        x.write('HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ndone');
      }),
    },
    expect: { status: 200, connection: 'open', client: /"done"/ },
  },
  {
    name: 'drain: nobody is let in any more',
    covers: 'listeners',
    play: async (play) => {
      const channel = new Channel(play);
      await channel.untilClosed();
      return { statuses: [], lines: [channel.error] };
    },
    expect: { client: /ECONNREFUSED/, log: 'nothing' },
  },
];

const tls: NonNullable<TcpOptions['tls']> = ({ certificates }) => ({
  ...{ servername: 'server.example', ca: certificates.ca, checkServerIdentity: () => undefined },
});

const secret = ({ cert, key }: Leaf): string =>
  JSON.stringify({
    resources: [
      {
        '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret',
        name: 'server',
        tls_certificate: { certificate_chain: { inline_string: cert }, private_key: { inline_string: key } },
      },
    ],
  });

const rotation: readonly Case[] = [
  {
    name: 'secrets: from a file',
    covers: 'tls-settings',
    play: https([get('/echo')], { tls }),
    expect: { status: 200, client: /server=server / },
  },
  {
    name: 'secrets: a new one, and the connection of the old one stays',
    covers: 'tls-settings',
    uncounted: 'handshakes until the new certificate is there',
    logLines: 2,
    play: async (play) => {
      const channel = new Channel(play, { tls: tls(play) });
      await takeStep(channel, play, get('/echo/before'));
      await channel.until((text) => text.includes('/echo/before'), 'the first answer');
      const next = join(play.folder, 'next.json');
      writeFileSync(next, secret(play.certificates.other));
      renameSync(next, join(play.folder, 'server.json'));
      await eventually(async () => {
        const seen = await https([], { tls, methods: [] })(play);
        assert.match(seen.lines.join(), /server=other/);
      });
      await takeStep(channel, play, get('/echo/after'));
      return answersOn(channel, { methods: ['GET', 'GET'] });
    },
    expect: { status: [200, 200], connection: 'open' },
  },
  {
    name: 'secrets: a bad one leaves the old one',
    covers: 'tls-settings',
    uncounted: 'looks until the file is read',
    play: async (play) => {
      const next = join(play.folder, 'next.json');
      writeFileSync(next, '{"resources": [{"what": 1}]}');
      renameSync(next, join(play.folder, 'server.json'));
      await eventually(async () =>
        assert.match(await play.admin('/stats'), /sds\.server\.update_(?:rejected|failure): [1-9]/),
      );
      return https([get('/echo')], { tls })(play);
    },
    expect: { status: 200, client: /server=other / },
  },
];

const web = ({ ports }: Places): object => bootstrap([httpListener('main')], [cluster('a', [ports.a!])]);

const encrypted: Message = {
  transport_socket: extension('tls', 'transport_sockets.tls.v3.DownstreamTlsContext', {
    common_tls_context: {
      tls_certificate_sds_secret_configs: [
        {
          name: 'server',
          sds_config: {
            path_config_source: { path: '@FOLDER@/server.json', watched_directory: { path: '@FOLDER@' } },
          },
        },
      ],
    },
  }),
};

export const groups: readonly Group[] = [
  { name: 'health', backends: { a: http1Backend() }, bootstrap: web, cases: health },
  { name: 'draining', backends: { a: http1Backend() }, bootstrap: web, cases: draining },
  {
    name: 'secrets of files',
    backends: { a: http1Backend() },
    files: ({ certificates }) => ({ 'server.json': secret(certificates.server) }),
    bootstrap: ({ ports }) =>
      bootstrap(
        [{ ...listener('main', {}), filter_chains: [{ filters: [http('main')], ...encrypted }] }],
        [cluster('a', [ports.a!])],
        {
          node: { id: 'node-1', cluster: 'cluster-1' },
        },
      ),
    cases: rotation,
  },
];

if (import.meta.main) compare(groups);
