import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { decode, encode } from 'dns-packet';
import { streamMessage } from '#core/stream-messages.ts';
import {
  addressReply,
  askUdp,
  openConnection,
  replyTo,
  type Script,
  startFakeResolver,
} from '../../../test/support/dns.ts';
import { eventually } from '../../../test/support/eventually.ts';
import { tempDir } from '../../../test/support/temp-dir.ts';
import { DnsRelay, type DnsRelaySettings } from './dns-relay.ts';
import { Doorway } from './doorway.ts';

type Resolvers = ReturnType<DnsRelaySettings['resolvers']>;
type Resolver = Resolvers[number];

const host = '127.0.0.1';
/** The package decodes it, but has no type for it. */
type DecodedReply = ReturnType<typeof decode> & { readonly rcode: string };
const question = (id: number): Buffer =>
  encode({ type: 'query', id, questions: [{ type: 'A', name: 'www.example.org' }] });
/** An address, in a reply of so many bytes. */
const padded =
  (bytes: number): Script =>
  (asked) => {
    const reply = addressReply(asked);
    return [Buffer.concat([reply, Buffer.alloc(bytes - reply.length)])];
  };
const answering =
  (data: string): Script =>
  (asked) => [addressReply(asked, data)];
const addressesOf = (reply: Buffer): unknown[] =>
  (decode(reply).answers ?? []).map((answer) => 'data' in answer && answer.data);

interface TestRelay {
  readonly udp: Resolver;
  readonly tcp: Resolver;
}

async function startRelay(t: TestContext, resolvers: () => Resolvers): Promise<TestRelay> {
  const doorway = await Doorway.open(join(tempDir(t), 'door'));
  t.after(() => doorway.close());
  const relay = await DnsRelay.open({ host, port: 0, doorway: doorway.path, resolvers, patienceMs: 2000 });
  t.after(() => relay.close());
  const { udp, tcp } = relay.ports;
  return { udp: { address: host, port: udp }, tcp: { address: host, port: tcp } };
}

/** One that does nothing but take connections. */
async function serve(t: TestContext, take: (socket: Socket) => void): Promise<Resolver> {
  const server = createServer(take).listen(0, host);
  await once(server, 'listening');
  t.after(() => server.close());
  return { address: host, port: (server.address() as AddressInfo).port };
}

/** Where nobody listens. */
async function refusing(): Promise<Resolver> {
  const server = createServer().listen(0, host);
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  await new Promise((closed) => server.close(closed));
  return { address: host, port };
}

describe('DnsRelay', () => {
  test('a datagram is answered by the resolver that is there then, asked so', async (t) => {
    const earlier = await startFakeResolver(t, answering('192.0.2.1'));
    const later = await startFakeResolver(t, answering('192.0.2.2'));
    let now = [earlier];
    const { udp } = await startRelay(t, () => now);
    const reply = await askUdp(udp, question(7));
    assert.equal(decode(reply).id, 7);
    assert.deepEqual(addressesOf(reply), ['192.0.2.1']);
    assert.deepEqual(
      earlier.asked.map(({ via }) => via),
      ['udp'],
    );
    now = [later];
    assert.deepEqual(addressesOf(await askUdp(udp, question(8))), ['192.0.2.2']);
  });

  test('an answer of more than 1232 bytes is for who asks by connection', async (t) => {
    for (const [bytes, fits] of [
      [1232, true],
      [1233, false],
      [5000, false],
    ] as const) {
      const resolver = await startFakeResolver(t, padded(bytes));
      const { udp, tcp } = await startRelay(t, () => [resolver]);
      const reply = await askUdp(udp, question(7));
      const { id, questions, answers, flag_tc } = decode(reply);
      assert.deepEqual([id, questions?.[0]?.name, flag_tc], [7, 'www.example.org', !fits]);
      assert.equal(answers?.length, fits ? 1 : 0);
      assert.equal(reply.length, fits ? bytes : question(7).length);
      const { socket, replies } = await openConnection(t, tcp);
      socket.write(streamMessage(question(8)));
      await eventually(() => assert.equal(replies[0]?.length, bytes));
    }
  });

  test('a resolver that takes no datagrams, or says in one that there is more, is asked over TCP', async (t) => {
    const without = await startFakeResolver(t, answering('192.0.2.1'), ['tcp']);
    const more = await startFakeResolver(t, (asked) => {
      const reply = asked.via === 'tcp' ? addressReply(asked) : replyTo(asked, []);
      if (asked.via === 'udp') reply[2]! |= 0x02;
      return [reply];
    });
    for (const resolver of [without, more]) {
      const { udp } = await startRelay(t, () => [resolver]);
      assert.deepEqual(addressesOf(await askUdp(udp, question(7))), ['192.0.2.1']);
      assert.equal(resolver.asked.at(-1)?.via, 'tcp');
    }
  });

  test('a datagram that is no answer to the question is passed over', async (t) => {
    const resolver = await startFakeResolver(t, (asked) => {
      const other = addressReply(asked, '192.0.2.66');
      other.writeUInt16BE(8, 0);
      return [Buffer.alloc(3), question(7), other, addressReply(asked)];
    });
    const { udp } = await startRelay(t, () => [resolver]);
    assert.deepEqual(addressesOf(await askUdp(udp, question(7))), ['192.0.2.1']);
    assert.deepEqual(
      resolver.asked.map(({ via }) => via),
      ['udp'],
    );
  });

  test('a connection passes, with all its questions and its end', async (t) => {
    const resolver = await startFakeResolver(t, answering('192.0.2.1'));
    const { tcp } = await startRelay(t, () => [resolver]);
    const { socket, replies, closed } = await openConnection(t, tcp);
    socket.end(Buffer.concat([streamMessage(question(1)), streamMessage(question(2))]));
    await closed;
    assert.deepEqual(
      replies.map((reply) => decode(reply).id),
      [1, 2],
    );
  });

  const failing: [name: string, start: (t: TestContext) => Promise<Resolver>][] = [
    ['refuses connections', refusing],
    ['hangs up', (t) => serve(t, (socket) => socket.end())],
    ['resets', (t) => serve(t, (socket) => socket.once('data', () => socket.resetAndDestroy()))],
    ['says nothing', (t) => startFakeResolver(t, () => [])],
  ];
  for (const [name, start] of failing) {
    test(`the next resolver is asked where the first ${name}`, async (t) => {
      const resolvers = [await start(t), await startFakeResolver(t, answering('192.0.2.2'))];
      const { udp } = await startRelay(t, () => resolvers);
      assert.deepEqual(addressesOf(await askUdp(udp, question(7))), ['192.0.2.2']);
    });
  }

  test('a connection goes to the first resolver that takes it', async (t) => {
    const resolvers = [await refusing(), await startFakeResolver(t, answering('192.0.2.2'))];
    const { tcp } = await startRelay(t, () => resolvers);
    const { socket, replies } = await openConnection(t, tcp);
    socket.write(streamMessage(question(7)));
    await eventually(() => assert.deepEqual(replies.map(addressesOf), [['192.0.2.2']]));
  });

  test('where no resolver answers, a connection ends, and a datagram is told so at once', async (t) => {
    let now: Resolvers = [];
    const { udp, tcp } = await startRelay(t, () => now);
    for (const resolvers of [[], [await refusing()], [await serve(t, (socket) => socket.end())]]) {
      now = resolvers;
      const { id, questions, answers, rcode } = decode(await askUdp(udp, question(7))) as DecodedReply;
      assert.deepEqual([id, questions?.[0]?.name, answers, rcode], [7, 'www.example.org', [], 'SERVFAIL']);
      await (await openConnection(t, tcp)).closed;
    }
    now = [await startFakeResolver(t, answering('192.0.2.1'))];
    assert.deepEqual(addressesOf(await askUdp(udp, question(8))), ['192.0.2.1']);
  });

  test('what is no question is passed over', async (t) => {
    const resolver = await startFakeResolver(t, answering('192.0.2.1'));
    const { udp } = await startRelay(t, () => [resolver]);
    const client = createSocket('udp4');
    t.after(() => void client.close());
    client.send(Buffer.alloc(11), udp.port, host);
    client.send(encode({ type: 'response', id: 1 }), udp.port, host);
    await askUdp(udp, question(7));
    assert.equal(resolver.asked.length, 1);
  });
});
