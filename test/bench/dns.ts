/**
 * How long questions to the DNS of a sidecar take at a fixed rate, and how many it answers at most:
 * `node test/bench/dns.ts [--rate 5000] [--seconds 5] [--names 1000]`. Both ends are processes of this machine.
 */
import { fork } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { create } from '@bufbuild/protobuf';
import { encode } from 'dns-packet';
import type { ResolverAddress } from '#names/resolver-list.ts';
import { NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { startDns } from '../support/dns.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '5' },
    names: { type: 'string', default: '1000' },
    serve: { type: 'boolean', default: false },
  },
});
const [rate, seconds, names] = [values.rate, values.seconds, values.names].map(Number) as [
  number,
  number,
  number,
];
const hostOf = (i: number): string => `service-${i % names}.default.svc.cluster.local`;
/** Questions under way in the second part. */
const WINDOW = 64;

async function serve(): Promise<void> {
  const entries = Array.from({ length: names }, (_, i) => [
    hostOf(i),
    { registry: 'Kubernetes', namespace: 'default', ips: [`10.96.${i >> 8}.${i & 255}`] },
  ]);
  const table = create(NameTableSchema, { table: Object.fromEntries(entries) });
  const { at } = await startDns({ after: () => {} }, {}, table);
  process.send?.(at);
}

interface Client {
  /** Sends the question of that number. */
  ask(number: number): void;
  onReply: (number: number) => void;
  close(): void;
}

async function clientOf({ address, port }: ResolverAddress): Promise<Client> {
  const questions = Array.from({ length: names }, (_, i) =>
    encode({ type: 'query', flags: 0x0100, questions: [{ type: 'A', name: hostOf(i) }] }),
  );
  const socket = createSocket({ type: 'udp4', recvBufferSize: 1 << 20 });
  socket.connect(port, address);
  await once(socket, 'connect');
  const client: Client = {
    ask(number): void {
      const bytes = Buffer.from(questions[number % names]!);
      bytes.writeUInt16BE(number & 0xffff, 0);
      socket.send(bytes);
    },
    onReply: () => {},
    close: () => void socket.close(),
  };
  socket.on('message', (bytes) => client.onReply(bytes.readUInt16BE(0)));
  return client;
}

/** Milliseconds of each question, sent when its time had come whatever became of those before. */
async function atRate(client: Client): Promise<number[]> {
  const sentMs = new Map<number, number>();
  const took: number[] = [];
  client.onReply = (number) => {
    const before = sentMs.get(number);
    if (before !== undefined) took.push(performance.now() - before);
    sentMs.delete(number);
  };
  const total = rate * seconds;
  const startMs = performance.now();
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - startMs) / 1000) * rate));
    for (; sent < due; sent++) {
      sentMs.set(sent & 0xffff, performance.now());
      client.ask(sent);
    }
    // The processor is for the server: no more is taken than a wait needs.
    await wait(1);
  }
  await wait(200);
  return took.sort((a, b) => a - b);
}

/** Answers a second, with a fixed number of questions under way. */
async function saturated(client: Client): Promise<number> {
  let answered = 0;
  let next = WINDOW;
  client.onReply = () => {
    answered++;
    client.ask(next++);
  };
  for (let i = 0; i < WINDOW; i++) client.ask(i);
  const startMs = performance.now();
  await wait(seconds * 1000);
  const tookS = (performance.now() - startMs) / 1000;
  client.onReply = () => {};
  return answered / tookS;
}

if (values.serve) await serve();
else {
  const server = fork(import.meta.filename, ['--serve', '--names', values.names]);
  const [at] = (await once(server, 'message')) as [ResolverAddress];
  const client = await clientOf(at);
  // The first seconds belong to the compiler.
  await atRate(client);
  const took = await atRate(client);
  const part = (ratio: number): string => (took[Math.floor(took.length * ratio)] ?? Number.NaN).toFixed(3);
  console.log(
    `${took.length} of ${rate * seconds} at ${rate}/s: p50 ${part(0.5)} ms, p99 ${part(0.99)} ms, p99.9 ${part(0.999)} ms`,
  );
  console.log(`${Math.round(await saturated(client))} answers a second with ${WINDOW} under way`);
  client.close();
  server.kill();
}
