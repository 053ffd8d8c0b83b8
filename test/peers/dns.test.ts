/** Our DNS as outsiders see it: dig, Python, and the C library with a resolv.conf like a Pod's. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { promisify } from 'node:util';
import { addressReply, meshNames, startDns, startFakeResolver, type TestDns } from '../support/dns.ts';
import { type Dug, readDug } from '../support/dug.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const run = promisify(execFile);

async function dig(program: string, { at }: TestDns, ...words: readonly string[]): Promise<Dug> {
  const { stdout: text } = await run(program, [
    ...[`@${at.address}`, '-p', String(at.port), '+tries=1', '+time=5', '+nocookie', '+norrcomments'],
    ...words,
  ]);
  return readDug(text);
}

async function start(t: TestContext): Promise<{ dns: TestDns; program: string } | undefined> {
  const program = requirePeer(t, 'dig');
  if (program === undefined) return undefined;
  const upstream = await startFakeResolver(t, (question) => [addressReply(question)]);
  const resolvers = { servers: [upstream], timeoutMs: 2000, attempts: 1 };
  return { program, dns: await startDns(t, { resolvers: () => resolvers }) };
}

const soa = 'cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30';

describe('dig', () => {
  test('gets the answers that Kubernetes gives', async (t) => {
    const running = await start(t);
    if (running === undefined) return;
    const { dns, program } = running;
    const cases: [words: string, status: string, answer: string[], authority: string[]][] = [
      [
        'reviews.default.svc.cluster.local',
        'NOERROR',
        ['reviews.default.svc.cluster.local. 30 IN A 10.96.1.1'],
        [],
      ],
      ['reviews.default.svc.cluster.local AAAA', 'NOERROR', [], [soa]],
      ['nothing.default.svc.cluster.local', 'NXDOMAIN', [], [soa]],
      [
        'dual.default.svc.cluster.local AAAA',
        'NOERROR',
        ['dual.default.svc.cluster.local. 30 IN AAAA fd00::2'],
        [],
      ],
      [
        'db.default.svc.cluster.local',
        'NOERROR',
        ['db.default.svc.cluster.local. 30 IN A 10.1.0.5', 'db.default.svc.cluster.local. 30 IN A 10.1.0.6'],
        [],
      ],
      [
        'db-0.db.default.svc.cluster.local',
        'NOERROR',
        ['db-0.db.default.svc.cluster.local. 30 IN A 10.1.0.5'],
        [],
      ],
      [
        '_http._tcp.reviews.default.svc.cluster.local SRV',
        'NOERROR',
        [
          '_http._tcp.reviews.default.svc.cluster.local. 30 IN SRV 0 100 9080 reviews.default.svc.cluster.local.',
        ],
        [],
      ],
      [
        '-x 10.96.1.1',
        'NOERROR',
        ['1.1.96.10.in-addr.arpa. 30 IN PTR reviews.default.svc.cluster.local.'],
        [],
      ],
      ['dns-version.cluster.local TXT', 'NOERROR', ['dns-version.cluster.local. 30 IN TXT "1.1.0"'], []],
      ['cluster.local SOA', 'NOERROR', [soa], []],
      ['version.bind TXT -c CH', 'REFUSED', [], []],
      ['www.example.org', 'NOERROR', ['www.example.org. 60 IN A 192.0.2.1'], []],
      [
        'outside.default.svc.cluster.local',
        'NOERROR',
        [
          'outside.default.svc.cluster.local. 30 IN CNAME www.example.org.',
          'www.example.org. 60 IN A 192.0.2.1',
        ],
        [],
      ],
    ];
    for (const [words, status, answer, authority] of cases) {
      const dug = await dig(program, dns, ...words.split(' '));
      assert.deepEqual([dug.status, dug.answer, dug.authority], [status, answer, authority], words);
    }
  });

  test('gets what it asks for by EDNS, and is told of a version that nobody knows', async (t) => {
    const running = await start(t);
    if (running === undefined) return;
    const { dns, program } = running;
    const plain = await dig(program, dns, 'reviews', '+noedns');
    assert.doesNotMatch(plain.text, /OPT PSEUDOSECTION/);
    assert.deepEqual(plain.flags, ['qr', 'aa', 'rd', 'ra']);
    const withEdns = await dig(program, dns, 'reviews', '+dnssec', '+bufsize=1400');
    assert.match(withEdns.text, /EDNS: version: 0, flags: do; udp: 1232/);
    const later = await dig(program, dns, 'reviews', '+edns=1', '+noednsnegotiation');
    assert.equal(later.status, 'BADVERS');
    const update = await dig(program, dns, 'reviews', '+opcode=UPDATE', '+noedns');
    assert.equal(update.status, 'NOTIMP');
    const odd = await dig(program, dns, 'a\\.b\\000.default.svc.cluster.local');
    assert.equal(odd.status, 'NXDOMAIN');
  });

  test('comes again over TCP, and keeps a connection for several questions', async (t) => {
    const running = await start(t);
    if (running === undefined) return;
    const { dns, program } = running;
    const name = 'many.default.svc.cluster.local';
    const pods = meshNames.table[name]?.ips.length;
    const cut = await dig(program, dns, name, '+ignore', '+bufsize=512');
    assert.ok(cut.flags.includes('tc') && cut.answer.length > 10 && cut.answer.length < pods!);
    const whole = await dig(program, dns, name, '+bufsize=512');
    assert.equal(whole.answer.length, pods);
    assert.match(whole.text, /Truncated, retrying in TCP mode/);
    const several = await dig(program, dns, '+tcp', '+keepopen', 'reviews', 'dual', name);
    assert.equal(several.text.match(/status: NOERROR/g)?.length, 3);
  });
});

/** An address of loopback that nobody else takes, for port 53. */
function loopback(): string {
  const byte = (): number => 1 + Math.floor(Math.random() * 254);
  return `127.${100 + Math.floor(Math.random() * 100)}.${byte()}.${byte()}`;
}

/** Runs `command` where /etc/resolv.conf is a Pod's. */
async function inPod(t: TestContext, address: string, command: readonly string[]): Promise<string> {
  const folder = tempDir(t);
  const [resolvConf, switchConf] = [join(folder, 'resolv.conf'), join(folder, 'nsswitch.conf')];
  const searches = 'default.svc.cluster.local svc.cluster.local cluster.local';
  writeFileSync(
    resolvConf,
    `nameserver ${address}\nsearch ${searches}\noptions ndots:5 timeout:5 attempts:1\n`,
  );
  writeFileSync(switchConf, 'hosts: dns\n');
  const mounts = `mount --bind ${resolvConf} /etc/resolv.conf; mount --bind ${switchConf} /etc/nsswitch.conf`;
  const { stdout } = await run('unshare', ['--mount', 'sh', '-ec', `${mounts}; exec "$@"`, 'sh', ...command]);
  return stdout;
}

/** Root may not, in many a container. */
const mayMount =
  process.getuid?.() === 0 &&
  spawnSync('unshare', ['--mount', 'mount', '--bind', '/etc', '/etc']).status === 0;

describe('the C library of a Pod', { skip: !mayMount && 'only root may mount files over /etc' }, () => {
  test('finds short names, full ones and others through its search list', async (t) => {
    const address = loopback();
    const upstream = await startFakeResolver(t, (question) => [addressReply(question)]);
    const resolvers = { servers: [upstream], timeoutMs: 2000, attempts: 1 };
    await startDns(t, { addresses: [{ address, port: 53 }], resolvers: () => resolvers });
    const cases: [name: string, addresses: string[]][] = [
      ['reviews', ['10.96.1.1']],
      ['reviews.default', ['10.96.1.1']],
      ['reviews.default.svc.cluster.local', ['10.96.1.1']],
      ['db', ['10.1.0.5', '10.1.0.6']],
      ['db-1.db', ['10.1.0.6']],
      ['api.example.com', ['240.240.0.1']],
      ['www.example.org', ['192.0.2.1']],
    ];
    for (const [name, expected] of cases) {
      const lines = (await inPod(t, address, ['getent', 'ahostsv4', name])).trim().split('\n');
      const found = new Set(lines.map((line) => line.split(/\s+/)[0]));
      assert.deepEqual([...found].sort(), expected, name);
    }
    await assert.rejects(inPod(t, address, ['getent', 'hosts', 'nothing.default.svc.cluster.local']));
    assert.match(
      await inPod(t, address, ['getent', 'hosts', '10.96.1.1']),
      /reviews\.default\.svc\.cluster\.local/,
    );
  });

  test('gives Python both families', async (t) => {
    const python = requirePeer(t, 'python3');
    if (python === undefined) return;
    const address = loopback();
    await startDns(t, { addresses: [{ address, port: 53 }] });
    const script = `
import json, socket
found = sorted({entry[4][0] for entry in socket.getaddrinfo("dual", 80, type=socket.SOCK_STREAM)})
print(json.dumps([found, len(socket.gethostbyname_ex("many")[2])]))`;
    const text = await inPod(t, address, [python, '-c', script]);
    assert.deepEqual(JSON.parse(text), [['10.96.1.2', 'fd00::2'], 120]);
  });
});
