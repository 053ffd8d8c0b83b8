/** Names that are not the mesh's: asked of a resolver that answers, lies, waits, cuts short or says nothing. */
import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { type DecodedPacket, decode, encode, type Packet } from 'dns-packet';
import { hostResolvers } from '#app/host-resolvers.ts';
import type { ResolverList } from '#names/resolver-list.ts';
import { silentLogger } from '#observe/log.ts';
import {
  addressReply,
  askUdp,
  type FakeResolver,
  replyTo,
  type Script,
  startDns,
  startFakeResolver,
  type TestDns,
  type UpstreamQuestion,
} from '../support/dns.ts';
import { eventually } from '../support/eventually.ts';
import { parseSamples, sumOf } from '../support/prometheus-text.ts';
import { tempDir } from '../support/temp-dir.ts';

const query = (name: string, more: Packet = {}): Buffer =>
  encode({ type: 'query', id: 7, flags: 0x0100, questions: [{ type: 'A', name }], ...more });

interface Reply extends DecodedPacket {
  readonly rcode: string;
}

async function ask(dns: TestDns, name: string, more: Packet = {}): Promise<Reply> {
  return decode(await askUdp(dns.at, query(name, more))) as Reply;
}

function addresses({ answers = [] }: Packet): unknown[] {
  return answers.map((answer) => ('data' in answer ? answer.data : undefined));
}

const list =
  (servers: ResolverList['servers'], more: Partial<ResolverList> = {}) =>
  (): ResolverList => ({
    servers,
    timeoutMs: 2000,
    attempts: 1,
    ...more,
  });

async function start(
  t: TestContext,
  script: Script,
  more: Partial<ResolverList> = {},
): Promise<{ dns: TestDns; upstream: FakeResolver }> {
  const upstream = await startFakeResolver(t, script);
  return { upstream, dns: await startDns(t, { resolvers: list([upstream], more) }) };
}

const names = ({ asked }: FakeResolver): (string | undefined)[] =>
  asked.map(({ packet }) => packet.questions?.[0]?.name);

describe('a name outside', () => {
  test('is asked for by an id and a port that change, and told as it was asked', async (t) => {
    const { dns, upstream } = await start(t, (question) => [addressReply(question)]);
    const count = 20;
    for (let i = 0; i < count; i++) {
      const reply = await ask(dns, `WWW${i}.Example.Org`);
      assert.deepEqual(addresses(reply), ['192.0.2.1']);
      assert.equal(reply.questions?.[0]?.name, `WWW${i}.Example.Org`);
      assert.deepEqual([reply.id, reply.flag_aa, reply.flag_ra, reply.flag_rd], [7, false, true, true]);
    }
    assert.equal(names(upstream)[0], 'www0.example.org');
    const ids = new Set(upstream.asked.map(({ packet }) => packet.id));
    const ports = new Set(upstream.asked.map(({ port }) => port));
    assert.ok(ids.size > count - 3 && ports.size > count - 3, `${ids.size} ids, ${ports.size} ports`);
    const [option] = upstream.asked[0]?.packet.additionals ?? [];
    assert.ok(option?.type === 'OPT' && option.udpPayloadSize === 1232);
  });

  test('is remembered for as long as its records live, and grows old', async (t) => {
    let nowMs = 0;
    const upstream = await startFakeResolver(t, (question) => [addressReply(question, '192.0.2.1', 60)]);
    const dns = await startDns(t, { resolvers: list([upstream]), nowMs: () => nowMs });
    const ttl = async (): Promise<unknown> => {
      const [answer] = (await ask(dns, 'www.example.org')).answers ?? [];
      return answer !== undefined && 'ttl' in answer && answer.ttl;
    };
    assert.equal(await ttl(), 60);
    nowMs = 45_500;
    assert.equal(await ttl(), 15);
    nowMs = 60_000;
    assert.equal(await ttl(), 60);
    assert.equal(upstream.asked.length, 2);
    const samples = parseSamples(dns.metrics.prometheus());
    assert.equal(sumOf(samples, 'heddle_dns_cache_hits_total', {}), 1);
    assert.equal(sumOf(samples, 'istio_agent_dns_upstream_requests_total', {}), 2);
    assert.equal(sumOf(samples, 'istio_agent_dns_upstream_request_duration_seconds_count', {}), 2);
  });

  test('that is not there is remembered too', async (t) => {
    const soa = { mname: 'a', rname: 'b', serial: 1, refresh: 1, retry: 1, expire: 1, minimum: 60 };
    const { dns, upstream } = await start(t, (question) => [
      replyTo(question, [], {
        flags: 3,
        authorities: [{ type: 'SOA', name: 'example.org', ttl: 60, data: soa }],
      }),
    ]);
    for (let i = 0; i < 3; i++) assert.equal((await ask(dns, 'no.example.org')).rcode, 'NXDOMAIN');
    assert.equal(upstream.asked.length, 1);
  });

  test('is asked for once by many at a time', async (t) => {
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { dns, upstream } = await start(t, async (question) => {
      await held;
      return [addressReply(question)];
    });
    const asking = Array.from({ length: 30 }, () => ask(dns, 'www.example.org'));
    await eventually(() => {
      const samples = parseSamples(dns.metrics.prometheus());
      assert.equal(sumOf(samples, 'istio_agent_dns_requests_total', {}), 30);
    });
    release();
    for (const reply of await Promise.all(asking)) assert.deepEqual(addresses(reply), ['192.0.2.1']);
    assert.equal(upstream.asked.length, 1);
  });

  test('is one of many that are asked for at a time', async (t) => {
    const warnings: Error[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    t.after(() => process.off('warning', note));
    const count = 100;
    const asked: UpstreamQuestion[] = [];
    const { promise: all, resolve: release } = Promise.withResolvers<void>();
    const { dns } = await start(t, async (question) => {
      if (asked.push(question) === count) release();
      await all;
      return [addressReply(question)];
    });
    const replies = await Promise.all(Array.from({ length: count }, (_, i) => ask(dns, `n${i}.example.org`)));
    for (const reply of replies) assert.deepEqual(addresses(reply), ['192.0.2.1']);
    assert.deepEqual(warnings, []);
  });

  test("of the cluster's domain is never asked for", async (t) => {
    const { dns, upstream } = await start(t, (question) => [addressReply(question)]);
    for (const name of ['nothing.default.svc.cluster.local', 'x.cluster.local', 'a.b.c.Cluster.Local'])
      assert.equal((await ask(dns, name)).rcode, 'NXDOMAIN');
    assert.deepEqual(upstream.asked, []);
  });

  test('that one of the mesh is another name for is added to it', async (t) => {
    const { dns, upstream } = await start(t, (question) => [addressReply(question)]);
    const { answers = [] } = await ask(dns, 'Outside.default.svc.cluster.local');
    assert.deepEqual(
      answers.map((answer) => [answer.name, answer.type, 'data' in answer && answer.data]),
      [
        ['Outside.default.svc.cluster.local', 'CNAME', 'www.example.org'],
        ['www.example.org', 'A', '192.0.2.1'],
      ],
    );
    assert.deepEqual(names(upstream), ['www.example.org']);
  });
});

describe('an upstream that lies', () => {
  const lies: [what: string, lie: (question: UpstreamQuestion) => Buffer][] = [
    ['another id', (question) => replyTo(question, [], { id: ((question.packet.id ?? 0) + 1) & 0xffff })],
    ['another name', (question) => replyTo(question, [], { questions: [{ type: 'A', name: 'evil.org' }] })],
    [
      'another type',
      (question) => replyTo(question, [], { questions: [{ type: 'MX', name: 'www.example.org' }] }),
    ],
    ['no question', (question) => replyTo(question, [], { questions: [] })],
    ['a question', (question) => replyTo(question, [], { type: 'query' })],
    ['half a message', (question) => addressReply(question, '192.0.2.66').subarray(0, -3)],
    ['no message', () => Buffer.from('hello')],
  ];
  for (const [what, lie] of lies) {
    test(`by ${what} is not heard, and the answer behind it is`, async (t) => {
      const { dns } = await start(t, (question) => [lie(question), addressReply(question)]);
      assert.deepEqual(addresses(await ask(dns, 'www.example.org')), ['192.0.2.1']);
    });
  }
});

describe('an answer that was cut short', () => {
  const many = Array.from({ length: 200 }, (_, i) => `192.0.2.${i}`);
  const cut: Script = (question) => [
    question.via === 'udp'
      ? replyTo(question, [], { flags: 0x0200 })
      : replyTo(
          question,
          many.map((data) => ({ type: 'A', name: 'big.example.org', ttl: 60, data })),
        ),
  ];

  test('is asked for over TCP, and told as far as it fits', async (t) => {
    const { dns, upstream } = await start(t, cut);
    const reply = await ask(dns, 'big.example.org');
    assert.deepEqual(
      upstream.asked.map(({ via }) => via),
      ['udp', 'tcp'],
    );
    assert.ok(reply.flag_tc && (reply.answers?.length ?? 0) > 5);
    const edns = { type: 'OPT', name: '.', udpPayloadSize: 4096, flags: 0, options: [] } as never;
    const whole = await ask(dns, 'big.example.org', { additionals: [edns] });
    assert.deepEqual([whole.flag_tc, whole.answers?.length], [true, Math.floor((4096 - 12 - 21 - 11) / 31)]);
    assert.equal(upstream.asked.length, 4, 'too long to be kept');
  });
});

describe('an upstream', () => {
  test('that says nothing is followed by the next', async (t) => {
    const silent = await startFakeResolver(t, () => []);
    const good = await startFakeResolver(t, (question) => [addressReply(question)]);
    const dns = await startDns(t, { resolvers: list([silent, good], { timeoutMs: 50 }) });
    assert.deepEqual(addresses(await ask(dns, 'www.example.org')), ['192.0.2.1']);
    assert.equal(silent.asked.length, 1);
    const samples = parseSamples(dns.metrics.prometheus());
    assert.equal(sumOf(samples, 'istio_agent_dns_upstream_failures_total', {}), 1);
  });

  test('that is not there is followed by the next at once', async (t) => {
    const gone = await startDns(t);
    await gone.close();
    const good = await startFakeResolver(t, (question) => [addressReply(question)]);
    const dns = await startDns(t, { resolvers: list([gone.at, good], { timeoutMs: 60_000 }) });
    assert.deepEqual(addresses(await ask(dns, 'www.example.org')), ['192.0.2.1']);
  });

  test('that no datagram reaches is asked by a connection', async (t) => {
    const upstream = await startFakeResolver(t, (question) => [addressReply(question)], ['tcp']);
    const dns = await startDns(t, { resolvers: list([upstream]) });
    assert.deepEqual(addresses(await ask(dns, 'www.example.org')), ['192.0.2.1']);
    assert.deepEqual(
      upstream.asked.map(({ via }) => via),
      ['tcp'],
    );
  });

  test('that fails is followed by the next', async (t) => {
    const failing = await startFakeResolver(t, (question) => [replyTo(question, [], { flags: 2 })]);
    const good = await startFakeResolver(t, (question) => [addressReply(question)]);
    const dns = await startDns(t, { resolvers: list([failing, good]) });
    assert.deepEqual(addresses(await ask(dns, 'www.example.org')), ['192.0.2.1']);
  });

  test('that drops the first question is asked again', async (t) => {
    const { dns, upstream } = await start(
      t,
      (question) => (question.number === 0 ? [] : [addressReply(question)]),
      { timeoutMs: 50, attempts: 2 },
    );
    assert.deepEqual(addresses(await ask(dns, 'www.example.org')), ['192.0.2.1']);
    assert.equal(upstream.asked.length, 2);
  });

  test('that is older than EDNS is asked without it', async (t) => {
    const { dns, upstream } = await start(t, (question) => {
      const isOld = question.packet.additionals?.length !== 0;
      return [isOld ? replyTo(question, [], { flags: 1, questions: [] }) : addressReply(question)];
    });
    assert.deepEqual(addresses(await ask(dns, 'www.example.org')), ['192.0.2.1']);
    assert.equal(upstream.asked.length, 2);
  });

  test('that never answers makes a failure, and is asked again by the next client', async (t) => {
    const { dns, upstream } = await start(t, () => [], { timeoutMs: 20 });
    for (let i = 0; i < 2; i++) assert.equal((await ask(dns, 'www.example.org')).rcode, 'SERVFAIL');
    assert.equal(upstream.asked.length, 2);
  });

  test('is waited for no longer when the server ends', async (t) => {
    const { dns, upstream } = await start(t, () => [], { timeoutMs: 600_000 });
    const client = createSocket('udp4');
    t.after(() => client.close());
    client.send(query('www.example.org'), dns.at.port, dns.at.address);
    await eventually(() => assert.equal(upstream.asked.length, 1));
    await dns.close();
  });
});

test('the resolvers of the host are those its file names now, without ourselves', (t) => {
  const file = join(tempDir(t), 'resolv.conf');
  let nowMs = 0;
  const own = [{ address: '0.0.0.0', port: 53 }];
  const resolvers = hostResolvers({ file, own: () => own, log: silentLogger, nowMs: () => nowMs });
  const now = (): string[] => resolvers().servers.map(({ address }) => address);
  assert.deepEqual(now(), [], 'there is no file');
  writeFileSync(file, 'nameserver 192.0.2.1\n');
  assert.deepEqual(now(), [], 'it is not looked at each time');
  nowMs += 5000;
  assert.deepEqual(now(), [], 'whoever listens everywhere would ask itself');
  own.pop();
  writeFileSync(file, 'nameserver 192.0.2.1\nnameserver 192.0.2.2\n');
  nowMs += 5000;
  assert.deepEqual(now(), ['192.0.2.1', '192.0.2.2']);
});
