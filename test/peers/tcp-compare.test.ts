/**
 * The same bootstrap of `tcp_proxy` run by Heddle and by Envoy: what both sides of a connection see, the
 * lines in the access log, and what the figures say.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { after, before, describe, type TestContext, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { startDataPath } from '../support/data-path.ts';
import { type RunningEnvoy, startEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { findPeer, requirePeer } from '../support/peer.ts';

/** How a connection ended for one side, and what it got: such as `hello|FIN`. */
type Seen = string;

interface Subject {
  port(listener: string): number;
  stats(): Promise<Map<string, number>>;
  lines(): string[];
}

type Behaviour = (socket: Socket) => Promise<Seen>;

const operators = [
  'RESPONSE_FLAGS',
  'CONNECTION_TERMINATION_DETAILS',
  'UPSTREAM_TRANSPORT_FAILURE_REASON',
  'RESPONSE_CODE_DETAILS',
  'BYTES_RECEIVED',
  'BYTES_SENT',
  'UPSTREAM_CLUSTER',
  'UPSTREAM_HOST',
  'UPSTREAM_REQUEST_ATTEMPT_COUNT',
  'ACCESS_LOG_TYPE',
  'RESPONSE_CODE',
  'REQUEST_DURATION',
  'RESPONSE_DURATION',
  'PROTOCOL',
  'UPSTREAM_LOCAL_CLOSE_REASON',
  'DOWNSTREAM_LOCAL_CLOSE_REASON',
];

const TYPES = 'type.googleapis.com/envoy.extensions';
const format = `${operators.map((name) => `%${name}%`).join('|')}\\n`;
const log = `access_log: [{ name: f, typed_config: { '@type': ${TYPES}.access_loggers.file.v3.FileAccessLog, path: '@LOG@', log_format: { text_format_source: { inline_string: "${format}" } } } }]`;

function listener(name: string, proxy: string): string {
  return `
  - name: ${name}
    address: { socket_address: { address: 127.0.0.1, port_value: 0 } }
    filter_chains: [{ filters: [{ name: t, typed_config: { '@type': ${TYPES}.filters.network.tcp_proxy.v3.TcpProxy, stat_prefix: ${name}, ${log}, ${proxy} } }] }]`;
}

function cluster(name: string, ports: readonly number[], more = ''): string {
  const endpoints = ports.map(
    (port) => `{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: ${port} } } } }`,
  );
  return `
  - { name: ${name}, connect_timeout: 0.3s, load_assignment: { cluster_name: ${name}, endpoints: [{ lb_endpoints: [${endpoints.join(', ')}] }] }${more} }`;
}

/** Reads to the end. */
function seen(socket: Socket, timeoutMs = 3000): Promise<Seen> {
  return new Promise((resolve) => {
    let text = '';
    const done = (end: string): void => {
      clearTimeout(timer);
      resolve(`${text}|${end}`);
    };
    const timer = setTimeout(() => done('open'), timeoutMs);
    socket.on('data', (data) => {
      text += data.toString('latin1');
    });
    socket.once('end', () => done('FIN'));
    socket.once('error', (error: NodeJS.ErrnoException) =>
      done(error.code === 'ECONNRESET' ? 'RST' : 'error'),
    );
  });
}

async function got(socket: Socket, text: string): Promise<void> {
  let all = '';
  const more = (data: Buffer): void => {
    all += data.toString('latin1');
  };
  socket.on('data', more);
  await eventually(() => assert.ok(all.includes(text), all));
  socket.off('data', more);
}

const servers: Readonly<Record<string, Behaviour>> = {
  echo: async (socket) => {
    socket.on('data', (data) => socket.write(data));
    const end = await seen(socket);
    socket.end('bye');
    return end;
  },
  first: async (socket) => {
    socket.end('hello');
    return seen(socket);
  },
  reset: async (socket) => {
    socket.write('hello');
    await got(socket, 'a');
    socket.resetAndDestroy();
    return '';
  },
  hold: async (socket) => {
    const end = await seen(socket);
    socket.end();
    return end;
  },
};

interface Scenario {
  readonly name: string;
  readonly listener: string;
  client(socket: Socket): Promise<Seen>;
  /** Lines in the log; 1 where absent. */
  readonly lines?: number;
  /** Where Heddle differs, and why. */
  readonly ignoredStats?: RegExp;
}

const scenarios: readonly Scenario[] = [
  {
    name: 'the client ends first',
    listener: 'echo',
    client: async (socket) => {
      socket.write('abc');
      await got(socket, 'abc');
      socket.end();
      return seen(socket);
    },
  },
  {
    name: 'the server speaks first and ends first',
    listener: 'first',
    client: async (socket) => {
      const end = await seen(socket);
      socket.end('late');
      return end;
    },
    // Whether something waits at that moment is chance.
    ignoredStats: /upstream_flush_total/,
  },
  {
    name: 'the server resets',
    listener: 'reset',
    client: async (socket) => {
      const end = seen(socket);
      await once(socket, 'data');
      socket.write('a');
      return end;
    },
  },
  {
    name: 'the client resets',
    listener: 'hold',
    client: async (socket) => {
      socket.write('a');
      await wait(100);
      socket.resetAndDestroy();
      return '';
    },
  },
  { name: 'nobody listens', listener: 'dead', client: seen },
  { name: 'nobody listens, three attempts', listener: 'dead3', client: seen },
  { name: 'nobody answers the handshake', listener: 'mute', client: seen },
  { name: 'no endpoint', listener: 'empty', client: seen },
  { name: 'no cluster', listener: 'nowhere', client: seen },
  { name: 'no more connections allowed', listener: 'narrow', client: seen },
  { name: 'no more waiting allowed', listener: 'impatient', client: seen },
  { name: 'nothing happens', listener: 'idle', client: seen },
  { name: 'the longest duration', listener: 'life', client: seen },
  {
    name: 'lines at the start, when connected, and at the end',
    listener: 'chatty',
    lines: 3,
    client: async (socket) => {
      socket.write('abc');
      await got(socket, 'abc');
      socket.end();
      return seen(socket);
    },
  },
  {
    name: 'connected only when data comes',
    listener: 'patient',
    client: async (socket) => {
      await wait(50);
      socket.write('abc');
      await got(socket, 'abc');
      socket.end();
      return seen(socket);
    },
  },
];

const server = async (t: Pick<TestContext, 'after'>, behave: Behaviour, ends: Seen[]): Promise<number> => {
  const sockets: Socket[] = [];
  const listening = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    void behave(socket).then((end) => ends.push(end));
  });
  listening.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    listening.close();
  });
  return (listening.address() as AddressInfo).port;
};

describe('tcp_proxy as in Envoy', () => {
  const teardown: (() => void | Promise<void>)[] = [];
  const t = { after: (run: () => void | Promise<void>) => void teardown.push(run) };
  const ends: Seen[] = [];
  let subjects: { readonly heddle: Subject; readonly envoy: Subject } | undefined;

  before(async () => {
    const program = findPeer('envoy');
    if (program === undefined) return;
    const ports = Object.fromEntries(
      await Promise.all(
        Object.entries(servers).map(async ([name, behave]) => [name, await server(t, behave, ends)]),
      ),
    ) as Record<string, number>;
    const tls = `, transport_socket: { name: tls, typed_config: { '@type': ${TYPES}.transport_sockets.tls.v3.UpstreamTlsContext } }`;
    const bootstrap = `static_resources:\n  listeners:${[
      ...Object.keys(servers).map((name) => listener(name, `cluster: ${name}`)),
      listener('dead', 'cluster: dead'),
      listener('dead3', 'cluster: dead, max_connect_attempts: 3, backoff_options: { base_interval: 0.01s }'),
      listener('mute', 'cluster: mute'),
      listener('empty', 'cluster: empty'),
      listener('nowhere', 'cluster: nowhere'),
      listener('narrow', 'cluster: narrow'),
      listener('impatient', 'cluster: impatient'),
      listener('idle', 'cluster: hold, idle_timeout: 0.2s'),
      listener('life', 'cluster: hold, max_downstream_connection_duration: 0.2s'),
      listener(
        'chatty',
        'cluster: echo, access_log_options: { flush_access_log_on_start: true, flush_access_log_on_connected: true }',
      ),
      listener(
        'patient',
        'cluster: echo, upstream_connect_mode: ON_DOWNSTREAM_DATA, max_early_data_bytes: 1000',
      ),
    ].join('')}\n  clusters:${[
      ...Object.entries(ports).map(([name, port]) => cluster(name, [port])),
      cluster('dead', [1]),
      cluster('mute', [ports.hold!], tls),
      cluster('empty', []),
      cluster('narrow', [ports.hold!], ', circuit_breakers: { thresholds: [{ max_connections: 0 }] }'),
      cluster(
        'impatient',
        [ports.hold!],
        ', circuit_breakers: { thresholds: [{ max_pending_requests: 0 }] }',
      ),
    ].join('')}\n`;
    const [heddle, envoy] = await Promise.all([
      startDataPath(t, bootstrap),
      startEnvoy(t, program, bootstrap),
    ]);
    subjects = {
      heddle: {
        port: (name) => heddle.port(name),
        stats: async () =>
          new Map(
            heddle.metrics
              .stats()
              .flatMap((stat) => (stat.kind === 'histogram' ? [] : [[stat.name, stat.value] as const])),
          ),
        lines: () => heddle.lines.map((line) => line.trimEnd()),
      },
      envoy: { port: (name) => envoy.port(name), stats: () => statsOf(envoy), lines: () => envoy.lines() },
    };
  });

  after(async () => {
    for (const run of teardown.reverse()) await run();
  });

  for (const scenario of scenarios) {
    test(scenario.name, async (of) => {
      if (requirePeer(of, 'envoy') === undefined) return;
      const { heddle, envoy } = subjects!;
      const theirs = await play(envoy, scenario, ends);
      const ours = await play(heddle, scenario, ends);
      assert.deepEqual(ours, theirs);
    });
  }
});

async function statsOf(envoy: RunningEnvoy): Promise<Map<string, number>> {
  const lines = (await envoy.admin('/stats')).split('\n').map((line) => /^(.*): (\d+)$/.exec(line));
  return new Map(lines.flatMap((line) => (line === null ? [] : [[line[1]!, Number(line[2])] as const])));
}

interface Played {
  readonly client: Seen;
  readonly server: readonly Seen[];
  readonly lines: readonly string[];
  readonly stats: Readonly<Record<string, number>>;
}

async function play(subject: Subject, scenario: Scenario, ends: Seen[]): Promise<Played> {
  const statsBefore = await subject.stats();
  const linesBefore = subject.lines().length;
  ends.length = 0;
  const socket = connect({ port: subject.port(scenario.listener), host: '127.0.0.1', allowHalfOpen: true });
  const client = await scenario.client(socket);
  if (!socket.writableEnded && !socket.destroyed) socket.end();
  const wanted = linesBefore + (scenario.lines ?? 1);
  await eventually(() =>
    assert.equal(subject.lines().length, wanted, subject.lines().slice(linesBefore).join('\n')),
  );
  // What the server saw, and the figures, settle a moment later.
  await wait(150);
  socket.destroy();
  const stats: Record<string, number> = {};
  for (const [name, value] of await subject.stats()) {
    if (!/^(tcp|cluster)\./.test(name) || /buffered/.test(name)) continue;
    if (/ssl\.|tls_inspector|rq_active_overflow/.test(name) || scenario.ignoredStats?.test(name) === true)
      continue;
    const delta = value - (statsBefore.get(name) ?? 0);
    if (delta !== 0) stats[name] = delta;
  }
  const lines = subject.lines().slice(linesBefore);
  return { client, server: ends.map((end) => (end.length > 60 ? 'a hello' : end)), lines, stats };
}
