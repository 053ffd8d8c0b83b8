/** DNS over real sockets: names of the mesh by datagram and connection, as Node's resolver and raw bytes ask. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { Resolver } from 'node:dns/promises';
import { describe, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import fc from 'fast-check';
import { streamMessage } from '#core/stream-messages.ts';
import { atOnce } from '#core/time-slice.ts';
import { NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { askUdp, meshNames, openConnection, startDns } from '../support/dns.ts';
import { eventually } from '../support/eventually.ts';
import { parseSamples, sumOf } from '../support/prometheus-text.ts';

function resolverOf(text: string): Resolver {
  const resolver = new Resolver({ timeout: 5000, tries: 2 });
  resolver.setServers([text]);
  return resolver;
}

const query = (name: string, more: Packet = {}): Buffer =>
  encode({ type: 'query', id: 7, questions: [{ type: 'A', name }], ...more });

const hasCode = (code: string) => (error: NodeJS.ErrnoException) => error.code === code;

describe("Node's resolver", () => {
  test('finds services, headless ones, instances, hosts outside and what is behind addresses', async (t) => {
    const { text } = await startDns(t);
    const resolver = resolverOf(text);
    assert.deepEqual(await resolver.resolve4('reviews.default.svc.cluster.local', { ttl: true }), [
      { address: '10.96.1.1', ttl: 30 },
    ]);
    assert.deepEqual(await resolver.resolve4('reviews.default'), ['10.96.1.1']);
    assert.deepEqual((await resolver.resolve4('DB.default.svc.Cluster.local')).sort(), [
      '10.1.0.5',
      '10.1.0.6',
    ]);
    assert.deepEqual(await resolver.resolve4('db-1.db'), ['10.1.0.6']);
    assert.deepEqual(await resolver.resolve6('dual.default.svc.cluster.local'), ['fd00::2']);
    assert.deepEqual(await resolver.resolve4('api.example.com'), ['240.240.0.1']);
    assert.deepEqual(await resolver.resolve4('any.wild.example.com'), ['240.240.0.2']);
    assert.deepEqual(await resolver.resolveSrv('_http._tcp.db.default.svc.cluster.local'), [
      { type: 'SRV', name: 'db-0.db.default.svc.cluster.local', port: 9080, priority: 0, weight: 50 },
      { type: 'SRV', name: 'db-1.db.default.svc.cluster.local', port: 9080, priority: 0, weight: 50 },
    ]);
    assert.deepEqual(await resolver.reverse('10.96.1.1'), ['reviews.default.svc.cluster.local']);
    assert.deepEqual(await resolver.reverse('fd00::2'), ['dual.default.svc.cluster.local']);
    assert.deepEqual(await resolver.resolveTxt('dns-version.cluster.local'), [['1.1.0']]);
    assert.equal((await resolver.resolveSoa('cluster.local')).nsname, 'ns.dns.cluster.local');
    assert.equal(
      (await resolver.resolve4('api.example.com.default.svc.cluster.local'))[0],
      '240.240.0.1',
      'the first try of a search list',
    );
  });

  test('is told apart what is not there and what has nothing of that type', async (t) => {
    const { text } = await startDns(t);
    const resolver = resolverOf(text);
    await assert.rejects(resolver.resolve4('nothing.default.svc.cluster.local'), hasCode('ENOTFOUND'));
    await assert.rejects(resolver.resolve6('reviews.default.svc.cluster.local'), hasCode('ENODATA'));
    await assert.rejects(resolver.resolveMx('reviews.default.svc.cluster.local'), hasCode('ENODATA'));
  });

  test('comes again over TCP for what does not fit in a datagram', async (t) => {
    const { text, metrics } = await startDns(t);
    const found = await resolverOf(text).resolve4('many.default.svc.cluster.local');
    assert.equal(found.length, 120);
    const samples = parseSamples(metrics.prometheus());
    assert.equal(sumOf(samples, 'istio_agent_dns_requests_total', {}), 2);
    assert.equal(sumOf(samples, 'heddle_dns_replies_total', { rcode: 'NOERROR' }), 2);
  });

  test('asks over IPv6', async (t) => {
    const addresses = [
      { address: '127.0.0.1', port: 0 },
      { address: '::1', port: 0 },
    ];
    const { addresses: bound } = await startDns(t, { addresses });
    const resolver = resolverOf(`[::1]:${bound[1]!.port}`);
    assert.deepEqual(await resolver.resolve4('reviews'), ['10.96.1.1']);
  });
});

describe('the server', () => {
  test('gives no answer before it was told names, and new ones at once', async (t) => {
    const server = await startDns(t, {}, null);
    const resolver = resolverOf(server.text);
    for (const name of ['reviews.default.svc.cluster.local', 'www.example.org'])
      await assert.rejects(resolver.resolve4(name), hasCode('ESERVFAIL'));
    atOnce(server.adopt(meshNames));
    assert.deepEqual(await resolver.resolve4('reviews.default.svc.cluster.local'), ['10.96.1.1']);
    atOnce(server.adopt(create(NameTableSchema)));
    await assert.rejects(resolver.resolve4('reviews.default.svc.cluster.local'), hasCode('ENOTFOUND'));
  });

  test('puts another address of several first each time', async (t) => {
    const draws = [0, 0.4, 0.5];
    const { at } = await startDns(t, { random: () => draws.shift() ?? 0 });
    const first = async (): Promise<unknown> => {
      const [answer] = decode(await askUdp(at, query('db.default.svc.cluster.local'))).answers ?? [];
      return answer?.type === 'A' && answer.data;
    };
    assert.deepEqual([await first(), await first(), await first()], ['10.1.0.5', '10.1.0.5', '10.1.0.6']);
  });

  test('repeats the question letter by letter', async (t) => {
    const { at } = await startDns(t);
    const { questions, answers, flag_aa } = decode(await askUdp(at, query('ReViEwS.Default')));
    assert.deepEqual(
      [questions?.[0]?.name, answers?.[0]?.name, flag_aa],
      ['ReViEwS.Default', 'ReViEwS.Default', true],
    );
  });

  test('cannot be bound where somebody listens', async (t) => {
    const { at } = await startDns(t);
    await assert.rejects(startDns(t, { addresses: [at] }), hasCode('EADDRINUSE'));
  });
});

describe('a connection', () => {
  test('carries many questions at once, and answers to all of them', async (t) => {
    const { at } = await startDns(t);
    const { socket, replies } = await openConnection(t, at);
    const count = 500;
    const sent = Array.from({ length: count }, (_, id) => streamMessage(query('reviews', { id })));
    socket.write(Buffer.concat(sent));
    await eventually(() => assert.equal(replies.length, count));
    assert.deepEqual(
      replies.map((bytes) => bytes.readUInt16BE(0)),
      Array.from({ length: count }, (_, id) => id),
    );
  });

  test('that says it asks no more gets the answers to what it asked', async (t) => {
    const { at } = await startDns(t);
    const { socket, replies, closed } = await openConnection(t, at);
    socket.end(Buffer.concat([1, 2, 3].map((id) => streamMessage(query('reviews', { id })))));
    await closed;
    assert.equal(replies.length, 3);
  });

  test('that is silent ends', async (t) => {
    const { at } = await startDns(t, { idleTimeoutMs: 30 });
    const { replies, closed } = await openConnection(t, at);
    await closed;
    assert.equal(replies.length, 0);
  });

  test('is one of a few', async (t) => {
    const { at, metrics } = await startDns(t, { maxConnections: 2 });
    const kept = [await openConnection(t, at), await openConnection(t, at)];
    await (await openConnection(t, at)).closed;
    const samples = parseSamples(metrics.prometheus());
    assert.equal(sumOf(samples, 'heddle_dns_connections_refused_total', {}), 1);
    for (const { socket } of kept) socket.write(streamMessage(query('reviews')));
    await eventually(() => assert.ok(kept.every(({ replies }) => replies.length === 1)));
  });

  test('with garbage is told so, and goes on', async (t) => {
    const { at } = await startDns(t);
    const { socket, replies } = await openConnection(t, at);
    socket.write(streamMessage(Buffer.alloc(40)));
    socket.write(streamMessage(Buffer.alloc(3)));
    socket.write(streamMessage(query('reviews')));
    await eventually(() => assert.equal(replies.length, 2));
    const rcodes = replies.map((bytes) => (decode(bytes) as DecodedPacket & { rcode: string }).rcode);
    assert.deepEqual(rcodes, ['FORMERR', 'NOERROR']);
  });
});

test('no datagrams of any bytes keep the next question from its answer', async (t) => {
  const { at } = await startDns(t);
  const valid = query('reviews.default.svc.cluster.local');
  const changed = fc
    .array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { minLength: 1, maxLength: 8 })
    .map((changes) => {
      const bytes = Buffer.from(valid);
      for (const [place, byte] of changes) bytes[place] = byte;
      return bytes;
    });
  const any = fc.uint8Array({ maxLength: 1400 }).map((bytes) => Buffer.from(bytes));
  const socket = createSocket('udp4');
  t.after(() => socket.close());
  const all = fc.sample(fc.oneof(changed, any), { numRuns: 2000, seed: 1 });
  // A few at a time: the kernel keeps no more for who does not read yet.
  for (let from = 0; from < all.length; from += 20) {
    for (const bytes of all.slice(from, from + 20)) socket.send(bytes, at.port, at.address);
    assert.equal(decode(await askUdp(at, valid)).answers?.length, 1);
  }
});
