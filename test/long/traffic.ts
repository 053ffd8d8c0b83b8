/** Traffic of every kind through one proxy, in turns: what comes of it, and clients that behave badly. */
import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import type { Bed } from '../bench/bed.ts';
import { bootstrap } from '../bench/config/bootstrap.ts';
import { type Hop, nothingElse, type Tls, type Traffic } from '../bench/config/work.ts';
import { type Load, type LoadResult, runLoad } from '../bench/measure/load.ts';
import { freePorts } from '../bench/process.ts';

/** A listener of the proxy, and the load that goes to it. */
interface Way {
  readonly name: string;
  readonly traffic: Traffic;
  readonly tls: Tls;
  readonly backend: keyof Bed['backends'];
  readonly loads: readonly Load[];
}

const ways: readonly Way[] = [
  {
    name: 'h1',
    traffic: 'h1',
    tls: 'none',
    backend: 'h1',
    loads: [
      { by: 'wrk', connections: 16, path: '/small' },
      { by: 'wrk', connections: 8, path: '/64k' },
      { by: 'wrk', connections: 8, path: '/upload', upload: true },
    ],
  },
  {
    name: 'h2',
    traffic: 'h2',
    tls: 'none',
    backend: 'h2',
    loads: [
      { by: 'h2load', connections: 4, streams: 16, grpc: false },
      { by: 'h2load', connections: 4, streams: 16, grpc: true },
    ],
  },
  {
    name: 'stream',
    traffic: 'grpc',
    tls: 'none',
    backend: 'stream',
    loads: [{ by: 'stream', connections: 4, streams: 8 }],
  },
  {
    name: 'websocket',
    traffic: 'websocket',
    tls: 'none',
    backend: 'websocket',
    loads: [{ by: 'websocket', connections: 32 }],
  },
  {
    name: 'tls',
    traffic: 'h1',
    tls: 'serve',
    backend: 'h1',
    loads: [
      { by: 'handshakes', connections: 4, resume: false },
      { by: 'handshakes', connections: 4, resume: true },
    ],
  },
  { name: 'tcp', traffic: 'tcp', tls: 'none', backend: 'tcp', loads: [{ by: 'tcp', connections: 4 }] },
];

export interface MixedTraffic {
  /** JSON of the bootstrap that serves it. */
  readonly bootstrap: string;
  /** Port of the admin interface. */
  readonly adminPort: number;
  /** Resolves when each kind of traffic had its turn; rejects when one of its requests failed. */
  turn(secondsOfEach: number): Promise<void>;
}

interface Part {
  readonly admin: object;
  readonly static_resources: { readonly listeners: object[]; readonly clusters: object[] };
}

export async function mixedTraffic(bed: Bed, accessLog: string): Promise<MixedTraffic> {
  const [adminPort = 0, ...ports] = await freePorts(ways.length + 1);
  const parts = ways.map(({ name, traffic, tls, backend }, at) => {
    const hop: Hop = {
      ...{
        traffic,
        tls,
        accessLog,
        threads: 1,
        elsewhere: nothingElse,
        folder: bed.folder,
        certificates: bed.certificates,
      },
      ...{ listenPort: ports[at] ?? 0, upstreamPort: bed.backends[backend], statsPort: adminPort },
    };
    const text = bootstrap(hop, { istioStats: true });
    return JSON.parse(
      text.replaceAll('"front"', `"front-${name}"`).replaceAll('"back"', `"back-${name}"`),
    ) as Part;
  });
  const place = {
    folder: bed.folder,
    loadProgram: bed.loadProgram,
    fortio: bed.fortio,
    certificates: bed.certificates,
  };
  return {
    adminPort,
    bootstrap: JSON.stringify({
      node: { id: 'long', cluster: 'long' },
      admin: parts[0]?.admin,
      static_resources: {
        listeners: parts.flatMap((part) => part.static_resources.listeners),
        clusters: parts.flatMap((part) => part.static_resources.clusters),
      },
    }),
    async turn(seconds): Promise<void> {
      for (const [at, { name, loads }] of ways.entries()) {
        const port = ports[at] ?? 0;
        for (const load of loads) check(name, load, await runLoad(load, { ...place, port, seconds }));
      }
      await badClients(ports[ways.findIndex(({ name }) => name === 'h1')] ?? 0);
    },
  };
}

function check(name: string, load: Load, { units, errors }: LoadResult): void {
  if (errors > 0 || units === 0) {
    throw new Error(`${name}: ${errors} errors and ${units} answers of ${JSON.stringify(load)}`);
  }
}

const badConnections = 200;
const atATime = 20;
const patienceMs = 20;

/** Heads cut short, nonsense, bodies that never come, answers that nobody reads: each a connection, then gone. */
async function badClients(port: number): Promise<void> {
  const texts = [
    'GET /small HTTP/1.1\r\nho',
    'GARBAGE\r\n\r\n',
    'POST /upload HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\nsome',
    'POST /upload HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n',
    `${'GET /64k HTTP/1.1\r\nhost: a\r\n\r\n'.repeat(50)}`,
    '',
  ];
  for (let at = 0; at < badConnections; at += atATime) {
    await Promise.all(
      Array.from({ length: atATime }, (_, of) => badClient(port, texts[(at + of) % texts.length] ?? '')),
    );
  }
}

async function badClient(port: number, text: string): Promise<void> {
  const socket = net.connect({ port, host: '127.0.0.1' });
  socket.on('error', () => {});
  await once(socket, 'connect');
  socket.pause();
  socket.write(text);
  await wait(patienceMs);
  socket.resetAndDestroy();
  await once(socket, 'close');
}
