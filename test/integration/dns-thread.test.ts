/** DNS where many questions come: a thread answers datagrams, as this one did, and leaves them to it when it goes. */
import assert from 'node:assert/strict';
import { describe, type TestContext, test } from 'node:test';
import { create } from '@bufbuild/protobuf';
import { decode, encode, type Packet } from 'dns-packet';
import { dnsThreads } from '#app/dns-thread.ts';
import { atOnce } from '#core/time-slice.ts';
import { bindUdpSocket } from '#host/bound-socket.ts';
import { canTakeDatagrams } from '#host/datagrams.ts';
import type { DnsServerSettings } from '#names/dns-server.ts';
import type { RunningLoop, ThreadMeans } from '#names/question-thread.ts';
import type { FromLoop } from '#names/thread-message.ts';
import { NameTableSchema } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import {
  addressReply,
  askUdp,
  meshNames,
  startDns,
  startFakeResolver,
  type TestDns,
} from '../support/dns.ts';
import { eventually } from '../support/eventually.ts';
import { parseSamples, sumOf } from '../support/prometheus-text.ts';

const START_RATE = 5;
const OTHER_ID = 0x1234;
const skip = canTakeDatagrams() ? false : 'this system has no such calls';

const query = (name: string, more: Packet = {}): Buffer =>
  encode({ type: 'query', id: 7, questions: [{ type: 'A', name }], ...more });
const reviews = query('reviews.default.svc.cluster.local');

interface WithThread {
  readonly dns: TestDns;
  /** What threads have said, in order. */
  readonly heard: FromLoop[];
  /** Those that were started. */
  readonly loops: RunningLoop[];
}

type Wanted = Partial<DnsServerSettings> &
  Partial<Pick<ThreadMeans, 'start'>> & { readonly quietMs?: number };

/** A thread is started by a few questions. */
async function startThreaded(t: TestContext, { start, quietMs, ...more }: Wanted = {}): Promise<WithThread> {
  const heard: FromLoop[] = [];
  const loops: RunningLoop[] = [];
  const means: ThreadMeans = {
    ...dnsThreads,
    start(sockets, figures, hear) {
      const loop = (start ?? dnsThreads.start)(sockets, figures, (message) => {
        heard.push(message);
        // It comes later, as between threads.
        queueMicrotask(() => hear(message));
      });
      loops.push(loop);
      return loop;
    },
  };
  const dns = await startDns(t, {
    bound: (kind, { address, port }) => (kind === 'datagram' ? bindUdpSocket(address, port) : undefined),
    thread: { means, startRate: START_RATE, ...(quietMs !== undefined && { quietMs }) },
    ...more,
  });
  return { dns, heard, loops };
}

/** Until a thread answers. */
async function askUntilServing({ dns, heard }: WithThread): Promise<number> {
  let asked = 0;
  await eventually(
    async () => {
      asked++;
      await askUdp(dns.at, reviews);
      assert.ok(heard.some(({ kind }) => kind === 'serving'));
    },
    { timeoutMs: 30_000 },
  );
  return asked;
}

const countOf = ({ metrics }: TestDns, name: string): number =>
  sumOf(parseSamples(metrics.prometheus()), name, {});

describe('a thread for names', { skip }, () => {
  test('gives the very bytes that were given before', async (t) => {
    const questions = [
      reviews,
      query('Reviews.DEFAULT.svc.cluster.local', { flags: 0x100 }),
      query('dual'),
      query('many.default.svc.cluster.local'),
      query('many', { additionals: [{ type: 'OPT', name: '.', udpPayloadSize: 1232 } as never] }),
      query('nothing.default.svc.cluster.local'),
      query('any.wild.example.com'),
      query('api.example.com.default.svc.cluster.local'),
      query('outside.default.svc.cluster.local'),
      encode({ type: 'query', id: 9, questions: [{ type: 'SRV', name: 'db.default.svc.cluster.local' }] }),
      encode({ type: 'query', id: 9, questions: [{ type: 'PTR', name: '1.1.96.10.in-addr.arpa' }] }),
      encode({ type: 'query', id: 9, questions: [{ type: 'AXFR', name: 'cluster.local' }] }),
      Buffer.concat([reviews.subarray(0, 12), Buffer.from('\xff\xff', 'latin1')]),
    ];
    const upstream = await startFakeResolver(t, (question) => [addressReply(question)]);
    const resolvers = () => ({ servers: [upstream], timeoutMs: 20_000, attempts: 1 });
    const plain = await startDns(t, { resolvers });
    const threaded = await startThreaded(t, { resolvers });
    await askUntilServing(threaded);
    for (const question of questions) {
      const before = await askUdp(plain.at, question);
      await askUdp(threaded.dns.at, question);
      // Of one whose answer is known already.
      const again = Buffer.from(question);
      for (const message of [before, again]) message.writeUInt16BE(OTHER_ID, 0);
      const now = await askUdp(threaded.dns.at, again);
      // Which of many addresses comes first is a matter of chance.
      const same = before.length > 200 ? [0, 12] : [0];
      assert.equal(now.length, before.length);
      assert.equal(now.subarray(...same).toString('hex'), before.subarray(...same).toString('hex'));
    }
  });

  test('has the names of the next table, and counts what it answers', async (t) => {
    const threaded = await startThreaded(t);
    const { dns } = threaded;
    const asked = await askUntilServing(threaded);
    assert.equal(countOf(dns, 'istio_agent_dns_requests_total'), asked);
    const table = { ...meshNames.table, 'new.default.svc.cluster.local': { ips: ['10.96.1.9'] } };
    atOnce(dns.adopt(create(NameTableSchema, { table })));
    let more = 0;
    await eventually(async () => {
      more++;
      const { answers } = decode(await askUdp(dns.at, query('new.default.svc.cluster.local')));
      assert.equal(answers?.length, 1);
    });
    assert.equal(countOf(dns, 'istio_agent_dns_requests_total'), asked + more);
    assert.equal(countOf(dns, 'heddle_dns_replies_total'), asked + more);
  });

  test('names another address of a headless service first each time', async (t) => {
    const threaded = await startThreaded(t);
    await askUntilServing(threaded);
    const first = new Set<unknown>();
    await eventually(async () => {
      const { answers } = decode(await askUdp(threaded.dns.at, query('db')));
      first.add(answers?.[0]?.type === 'A' && answers[0].data);
      assert.equal(first.size, 2);
    });
  });

  test('hands on what upstreams are to be asked, once each', async (t) => {
    const upstream = await startFakeResolver(t, (question) => [addressReply(question)]);
    const threaded = await startThreaded(t, {
      resolvers: () => ({ servers: [upstream], timeoutMs: 20_000, attempts: 1 }),
    });
    const asked = await askUntilServing(threaded);
    for (let i = 0; i < 2; i++) {
      const { answers } = decode(await askUdp(threaded.dns.at, query('www.example.org')));
      assert.equal(answers?.length, 1);
    }
    assert.equal(upstream.asked.length, 1);
    assert.equal(countOf(threaded.dns, 'istio_agent_dns_requests_total'), asked + 2);
    assert.equal(countOf(threaded.dns, 'heddle_dns_cache_hits_total'), 1);
  });

  test('answers those who asked an upstream before it came', async (t) => {
    const answer = Promise.withResolvers<void>();
    const upstream = await startFakeResolver(t, async (question) => {
      await answer.promise;
      return [addressReply(question)];
    });
    const threaded = await startThreaded(t, {
      resolvers: () => ({ servers: [upstream], timeoutMs: 20_000, attempts: 1 }),
    });
    const early = askUdp(threaded.dns.at, query('www.example.org'));
    await eventually(() => assert.equal(upstream.asked.length, 1));
    await askUntilServing(threaded);
    answer.resolve();
    assert.equal(decode(await early).answers?.length, 1);
  });

  test('ends when few questions come, and begins again', async (t) => {
    const threaded = await startThreaded(t, { quietMs: 300 });
    const { dns, loops, heard } = threaded;
    let asked = await askUntilServing(threaded);
    assert.equal(await loops[0]?.ended, undefined);
    heard.length = 0;
    asked += await askUntilServing(threaded);
    assert.equal(loops.length, 2);
    assert.equal(countOf(dns, 'istio_agent_dns_requests_total'), asked);
  });

  test('that dies leaves its questions to the main thread', async (t) => {
    const death = Promise.withResolvers<Error>();
    const threaded = await startThreaded(t, {
      start(_, _figures, hear): RunningLoop {
        hear({ kind: 'serving' });
        return { ended: death.promise, say(): void {} };
      },
    });
    for (let i = 0; i < START_RATE; i++) await askUdp(threaded.dns.at, reviews);
    assert.equal(threaded.loops.length, 1);
    const unheard = askUdp(threaded.dns.at, reviews);
    death.resolve(new Error('of old age'));
    assert.equal(decode(await unheard).answers?.length, 1);
  });

  test('that cannot be started is done without', async (t) => {
    const threaded = await startThreaded(t, {
      start(): RunningLoop {
        throw new Error('no memory');
      },
    });
    for (let i = 0; i < 3 * START_RATE; i++) await askUdp(threaded.dns.at, reviews);
    assert.equal(countOf(threaded.dns, 'heddle_dns_replies_total'), 3 * START_RATE);
  });
});
