/** Both ends of DNS for a test: a server of ours with names, and a resolver that does as it is told. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { TestContext } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type Answer, type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import { StreamMessages, streamMessage } from '#core/stream-messages.ts';
import { atOnce } from '#core/time-slice.ts';
import { type DnsServer, type DnsServerSettings, startDnsServer } from '#names/dns-server.ts';
import type { ResolverAddress } from '#names/resolver-list.ts';
import { silentLogger } from '#observe/log.ts';
import { Metrics } from '#observe/metrics.ts';
import { type NameTable, NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';

type Hooks = Pick<TestContext, 'after'>;

const http = { name: 'http', protocol: 'tcp', number: 9080 };
const manyPods = Array.from({ length: 120 }, (_, i) => `10.1.1.${i + 1}`);

/** Names of a small mesh, as the control plane tells them. */
export const meshNames: NameTable = create(NameTableSchema, {
  table: {
    'reviews.default.svc.cluster.local': {
      registry: 'Kubernetes',
      shortname: 'reviews',
      namespace: 'default',
      ips: ['10.96.1.1'],
      ports: [http],
    },
    'dual.default.svc.cluster.local': { namespace: 'default', ips: ['10.96.1.2', 'fd00::2'] },
    'db.default.svc.cluster.local': { namespace: 'default', ips: ['10.1.0.5', '10.1.0.6'], ports: [http] },
    'db-0.db.default.svc.cluster.local': { namespace: 'default', ips: ['10.1.0.5'], ports: [http] },
    'db-1.db.default.svc.cluster.local': { namespace: 'default', ips: ['10.1.0.6'], ports: [http] },
    'many.default.svc.cluster.local': { namespace: 'default', ips: manyPods },
    'outside.default.svc.cluster.local': { namespace: 'default', externalName: 'www.example.org' },
    'api.example.com': { ips: ['240.240.0.1'] },
    '*.wild.example.com': { ips: ['240.240.0.2'] },
  },
});

export interface TestDns extends DnsServer {
  /** The first address, as clients are given it. */
  readonly at: ResolverAddress;
  /** `127.0.0.1:PORT` */
  readonly text: string;
  readonly metrics: Metrics;
}

/** On 127.0.0.1, closed when the test ends. @param names it is told at once; null: none yet. */
export async function startDns(
  t: Hooks,
  more: Partial<DnsServerSettings> = {},
  names: NameTable | null = meshNames,
): Promise<TestDns> {
  const metrics = new Metrics();
  const server = await startDnsServer({
    addresses: [{ address: '127.0.0.1', port: 0 }],
    resolvers: () => ({ servers: [], timeoutMs: 1000, attempts: 1 }),
    namespace: 'default',
    metrics,
    log: silentLogger,
    random: () => 0,
    nowMs: () => performance.now(),
    ...more,
  });
  t.after(() => server.close());
  if (names !== null) atOnce(server.adopt(names));
  const [at] = server.addresses;
  assert.ok(at !== undefined);
  return { ...server, at, text: `${at.address}:${at.port}`, metrics };
}

/** What a resolver was asked. */
export interface UpstreamQuestion {
  readonly packet: DecodedPacket;
  readonly via: 'udp' | 'tcp';
  /** Port of whoever asked. */
  readonly port: number;
  /** How many came before. */
  readonly number: number;
}

/** The messages it sends, one after another; none: it says nothing. */
export type Script = (question: UpstreamQuestion) => readonly Buffer[] | Promise<readonly Buffer[]>;

export interface FakeResolver extends ResolverAddress {
  readonly asked: readonly UpstreamQuestion[];
}

/** Listens for datagrams and connections, or one of them, on one port of 127.0.0.1. */
export async function startFakeResolver(
  t: Hooks,
  script: Script,
  protocols: readonly UpstreamQuestion['via'][] = ['udp', 'tcp'],
): Promise<FakeResolver> {
  const asked: UpstreamQuestion[] = [];
  const take = async (bytes: Buffer, via: 'udp' | 'tcp', port: number): Promise<readonly Buffer[]> => {
    const question = { packet: decode(bytes), via, port, number: asked.length };
    asked.push(question);
    return script(question);
  };
  const open = new Set<Socket>();
  const tcp = createServer((socket) => {
    open.add(socket);
    const messages = new StreamMessages();
    socket.on('error', () => {});
    socket.on('data', async (chunk: Buffer) => {
      messages.push(chunk);
      for (let bytes = messages.next(); bytes !== undefined; bytes = messages.next())
        for (const reply of await take(bytes, 'tcp', socket.remotePort ?? 0))
          socket.write(streamMessage(reply));
    });
  }).listen(0, '127.0.0.1');
  await once(tcp, 'listening');
  const { port } = tcp.address() as AddressInfo;
  t.after(() => {
    for (const socket of open) socket.destroy();
    tcp.close();
  });
  if (protocols.includes('udp')) {
    const udp = createSocket('udp4');
    t.after(() => void udp.close());
    udp.on('message', async (bytes, peer) => {
      for (const reply of await take(bytes, 'udp', peer.port)) udp.send(reply, peer.port, peer.address);
    });
    const bound = once(udp, 'listening');
    udp.bind(port, '127.0.0.1');
    await bound;
  }
  return { address: '127.0.0.1', port, asked };
}

/** A reply to `question` with `answers`. */
export function replyTo({ packet }: UpstreamQuestion, answers: readonly Answer[], more: Packet = {}): Buffer {
  return encode({
    type: 'response',
    id: packet.id ?? 0,
    questions: packet.questions ?? [],
    answers: [...answers],
    ...more,
  });
}

/** One address of the name that is asked for. */
export function addressReply(question: UpstreamQuestion, data = '192.0.2.1', ttl = 60): Buffer {
  return replyTo(question, [{ type: 'A', name: question.packet.questions?.[0]?.name ?? '', ttl, data }]);
}

/** Sends bytes as they are and waits for what comes back. */
export async function askUdp({ address, port }: ResolverAddress, bytes: Buffer): Promise<Buffer> {
  const socket = createSocket('udp4');
  try {
    const reply = once(socket, 'message', { signal: AbortSignal.timeout(10_000) });
    socket.send(bytes, port, address);
    return (await reply)[0] as Buffer;
  } finally {
    socket.close();
  }
}

/** A connection that is given messages and keeps those that come. */
export interface DnsConnection {
  readonly socket: Socket;
  readonly replies: readonly Buffer[];
  readonly closed: Promise<unknown>;
}

export async function openConnection(t: Hooks, { address, port }: ResolverAddress): Promise<DnsConnection> {
  const socket = connect(port, address);
  t.after(() => socket.destroy());
  const replies: Buffer[] = [];
  const messages = new StreamMessages();
  const closed = once(socket, 'close');
  socket.on('error', () => {});
  socket.on('data', (chunk: Buffer) => {
    messages.push(chunk);
    for (let bytes = messages.next(); bytes !== undefined; bytes = messages.next()) replies.push(bytes);
  });
  await once(socket, 'connect');
  return { socket, replies, closed };
}
