/**
 * Names as a Pod of a captured mesh finds them, asked by dig and by the resolvers of programs, and compared with what
 * Kubernetes' DNS specification (DNS-Based Service Discovery, 1.1.0) says: the number in a row is its section.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import {
  type CapturedPrograms,
  ownApplication,
  startCapturedPrograms,
} from '../support/captured-programs.ts';
import { type Dug, readDug } from '../support/dug.ts';
import { describeInNamespaces } from '../support/namespaces.ts';
import { requirePeer } from '../support/peer.ts';
import { tempDir } from '../support/temp-dir.ts';

const service = (name: string, spec: string, namespace = 'default'): string => `
apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {${spec}}
---`;
const documents = `${[
  service(
    'web',
    'clusterIP: 10.96.200.1, selector: {app: front}, ports: [{name: http, port: 80}, {name: grpc, port: 9000}]',
  ),
  service('web', 'clusterIP: 10.96.200.2, selector: {app: front}, ports: [{port: 80}]', 'other'),
  service(
    'db',
    'clusterIP: None, selector: {app: db}, ports: [{name: http, port: 80, targetPort: 8080}, {name: tcp-x, port: 7000}]',
  ),
  service('loose', 'clusterIP: None, selector: {app: front}, ports: [{name: http, port: 9080}]'),
  service('nobody', 'clusterIP: None, selector: {app: nobody}, ports: [{name: http, port: 80}]'),
  service('six', 'clusterIP: "fd00:10:96::6", selector: {app: front}, ports: [{name: http, port: 80}]'),
  service(
    'both',
    'clusterIP: 10.96.200.3, clusterIPs: [10.96.200.3, "fd00:10:96::7"], ipFamilyPolicy: PreferDualStack, selector: {app: front}, ports: [{name: http, port: 80}]',
  ),
  service('far', 'type: ExternalName, externalName: www.example.org'),
  service('near', 'type: ExternalName, externalName: web.other.svc.cluster.local'),
].join('')}
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: outside}
spec:
  hosts: [said.example.com, "*.below.example.com"]
  addresses: [198.51.100.7, 192.0.2.0/24]
  ports: [{number: 443, name: https, protocol: HTTPS}]
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: given}
spec:
  hosts: [api.example.com]
  ports: [{number: 80, name: http, protocol: HTTP}]
  resolution: STATIC
  endpoints: [{address: 192.0.2.9}]
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers: [{name: db, image: "db:1", ports: [{containerPort: 8080}]}]
---`;

const svc = 'svc.cluster.local';
const zone = `default.${svc}`;
const soa = `cluster.local. 30 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. SERIAL 7200 1800 86400 30`;
const reverse = (ip: string): string => `${ip.split('.').reverse().join('.')}.in-addr.arpa`;
const reverseOfSix = `6.${'0.'.repeat(19)}6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa`;

/** What dig is told, the answer's records or that there are none, and the section that says so. */
type Row = readonly [section: string, words: string, expected: readonly string[] | 'NXDOMAIN' | 'NODATA'];

/** @param pod addresses of `db-0`, `db-1` and `front-1` */
const rows = (pod: readonly [string, string, string]): Row[] => {
  const dashed = pod[2].replaceAll('.', '-');
  return [
    ['2.2', 'dns-version.cluster.local TXT', ['dns-version.cluster.local. 30 IN TXT "1.1.0"']],
    ['2.3.1', `web.${zone}`, [`web.${zone}. 30 IN A 10.96.200.1`]],
    ['2.3.1', `web.${zone}.`, [`web.${zone}. 30 IN A 10.96.200.1`]],
    ['2.3.1', `WEB.Default.${svc}`, [`WEB.Default.${svc}. 30 IN A 10.96.200.1`]],
    ['2.3.1', `web.other.${svc}`, [`web.other.${svc}. 30 IN A 10.96.200.2`]],
    ['2.3.1', `web.${zone} AAAA`, 'NODATA'],
    ['2.3.1', `six.${zone} AAAA`, [`six.${zone}. 30 IN AAAA fd00:10:96::6`]],
    ['2.3.1', `six.${zone} A`, 'NODATA'],
    ['2.3.1', `both.${zone} A`, [`both.${zone}. 30 IN A 10.96.200.3`]],
    ['2.3.1', `both.${zone} AAAA`, [`both.${zone}. 30 IN AAAA fd00:10:96::7`]],
    ['2.3.1', `web.${zone} MX`, 'NODATA'],
    ['2.3.1', `absent.${zone}`, 'NXDOMAIN'],
    ['2.3.1', `web.absent.${svc}`, 'NXDOMAIN'],
    ['2.3.1', `a.web.${zone}`, 'NXDOMAIN'],
    ['2.3.2', `_http._tcp.web.${zone} SRV`, [`_http._tcp.web.${zone}. 30 IN SRV 0 100 80 web.${zone}.`]],
    ['2.3.2', `_grpc._tcp.web.${zone} SRV`, [`_grpc._tcp.web.${zone}. 30 IN SRV 0 100 9000 web.${zone}.`]],
    ['2.3.2', `_http._udp.web.${zone} SRV`, 'NXDOMAIN'],
    ['2.3.2', `_absent._tcp.web.${zone} SRV`, 'NXDOMAIN'],
    ['2.3.2: unnamed ports have none', `_._tcp.web.other.${svc} SRV`, 'NXDOMAIN'],
    ['2.3.3', '-x 10.96.200.1', [`${reverse('10.96.200.1')}. 30 IN PTR web.${zone}.`]],
    ['2.3.3', '-x fd00:10:96::6', [`${reverseOfSix}. 30 IN PTR six.${zone}.`]],
    ['2.4.1', `db.${zone}`, [`db.${zone}. 30 IN A ${pod[0]}`, `db.${zone}. 30 IN A ${pod[1]}`]],
    ['2.4.1', `db-0.db.${zone}`, [`db-0.db.${zone}. 30 IN A ${pod[0]}`]],
    ['2.4.1', `db-1.db.${zone}`, [`db-1.db.${zone}. 30 IN A ${pod[1]}`]],
    ['2.4.1', `db-2.db.${zone}`, 'NXDOMAIN'],
    [
      '2.4.1: no hostname, any unique name',
      `${dashed}.loose.${zone}`,
      [`${dashed}.loose.${zone}. 30 IN A ${pod[2]}`],
    ],
    ['2.4.1: nobody is ready', `nobody.${zone}`, 'NXDOMAIN'],
    [
      '2.4.2',
      `_http._tcp.db.${zone} SRV`,
      [0, 1].map((i) => `_http._tcp.db.${zone}. 30 IN SRV 0 50 8080 db-${i}.db.${zone}.`),
    ],
    [
      '2.4.2',
      `_tcp-x._tcp.db.${zone} SRV`,
      [0, 1].map((i) => `_tcp-x._tcp.db.${zone}. 30 IN SRV 0 50 7000 db-${i}.db.${zone}.`),
    ],
    ['2.4.2: nobody is ready', `_http._tcp.nobody.${zone} SRV`, 'NXDOMAIN'],
    ['2.4.3', `-x ${pod[0]}`, [`${reverse(pod[0])}. 30 IN PTR db-0.db.${zone}.`]],
    ['Istio: ServiceEntry', 'said.example.com', ['said.example.com. 30 IN A 198.51.100.7']],
    ['Istio: ServiceEntry', 'a.b.below.example.com', ['a.b.below.example.com. 30 IN A 198.51.100.7']],
    ['Istio: ServiceEntry', 'api.example.com', ['api.example.com. 30 IN A 240.240.70.91']],
    ['Istio: ServiceEntry', 'api.example.com AAAA', ['api.example.com. 30 IN AAAA 2001:2::465b']],
    [
      'Istio: the search list',
      `api.example.com.${zone}`,
      [`api.example.com.${zone}. 30 IN CNAME api.example.com.`, 'api.example.com. 30 IN A 240.240.70.91'],
    ],
    ['2.5', `far.${zone} CNAME`, [`far.${zone}. 30 IN CNAME www.example.org.`]],
    [
      '2.5',
      `near.${zone}`,
      [`near.${zone}. 30 IN CNAME web.other.${svc}.`, `web.other.${svc}. 30 IN A 10.96.200.2`],
    ],
  ];
};

/** Records of one type come in any order. */
const sorted = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replace(/(hostmaster\S+) \d+/, '$1 SERIAL')).sort();

describeInNamespaces('names in a captured Pod', () => {
  let programs: CapturedPrograms;
  /** Of `db-0`, `db-1` and `front-1`. */
  let pod: [string, string, string];
  before(async () => {
    programs = await startCapturedPrograms({ 'db:1': ownApplication('witness.ts') }, documents);
    const [db, front] = ['db', 'front'].map((workload) =>
      programs.mesh
        .instancesOf(workload)
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
        .map(({ meshAddress }) => meshAddress),
    );
    pod = [db![0]!, db![1]!, front![0]!];
  });
  after(() => programs?.stop());

  const dig = async (program: string, words: string): Promise<Dug> =>
    readDug(await programs.run([program, '+norrcomments', '+nocookie', ...words.split(' ')]));

  for (const [how, options] of [
    ['datagrams', ''],
    ['TCP', ' +tcp'],
  ] as const) {
    test(`dig, by ${how}`, async (t) => {
      const program = requirePeer(t, 'dig');
      if (program === undefined) return;
      for (const [where, words, expected] of rows(pod)) {
        const { status, flags, answer, authority } = await dig(program, words + options);
        const empty = typeof expected === 'string';
        assert.deepEqual(
          [status, sorted(answer), sorted(authority)],
          [expected === 'NXDOMAIN' ? expected : 'NOERROR', empty ? [] : sorted(expected), empty ? [soa] : []],
          `${where}: ${words}`,
        );
        assert.ok(flags.includes('aa') && !flags.includes('tc'), `${where}: ${words}`);
      }
    });
  }

  test('dig: EDNS as it is asked for, and the search list of the Pod', async (t) => {
    const program = requirePeer(t, 'dig');
    if (program === undefined) return;
    for (const bytes of [512, 1232, 4096]) {
      const { text, additional } = await dig(program, `_http._tcp.db.${zone} SRV +bufsize=${bytes}`);
      assert.match(text, /OPT PSEUDOSECTION:\n; EDNS: version: 0, flags:; udp: \d+/);
      assert.deepEqual(
        sorted(additional),
        [0, 1].map((i) => `db-${i}.db.${zone}. 30 IN A ${pod[i]}`),
      );
    }
    assert.doesNotMatch((await dig(program, `web.${zone} +noedns`)).text, /OPT/);
    const { answer } = await dig(program, '+showsearch web');
    assert.deepEqual(answer, [`web.${zone}. 30 IN A 10.96.200.1`]);
    // Whoever is asked, it is the sidecar that answers.
    assert.equal((await dig(program, `@192.0.2.53 web.${zone}`)).answer.length, 1);
  });

  /** Names and what programs are to make of them, whose resolvers add the search list. */
  const lookups = (): (readonly [name: string, addresses: readonly string[]])[] => [
    ['web', ['10.96.200.1']],
    ['web.default', ['10.96.200.1']],
    ['web.other', ['10.96.200.2']],
    ['web.other.svc', ['10.96.200.2']],
    [`web.${zone}`, ['10.96.200.1']],
    [`web.${zone}.`, ['10.96.200.1']],
    ['six', ['fd00:10:96::6']],
    ['near', ['10.96.200.2']],
    ['db', [pod[0], pod[1]].sort()],
    ['db-1.db', [pod[1]]],
    [`absent.${zone}.`, []],
    [`nobody.${zone}.`, []],
  ];

  test("getent, by the machine's C library: names, and the name of an address", async () => {
    for (const [name, addresses] of lookups()) {
      for (const [database, families] of [
        ['ahosts', /./],
        ['ahostsv4', /\./],
      ] as const) {
        const { end, stdout } = await programs.attempt(['getent', database, name]);
        const found = new Set(stdout.split('\n').flatMap((line) => line.split(/\s+/, 1)[0] || []));
        const expected = addresses.filter((address) => families.test(address));
        assert.deepEqual([end, [...found].sort()], [expected.length > 0 ? 0 : 2, expected], name);
      }
    }
    const named = await programs.run(['getent', 'hosts', '10.96.200.1', pod[0]]);
    assert.deepEqual(named.trim().split(/\s+/), ['10.96.200.1', `web.${zone}`, pod[0], `db-0.db.${zone}`]);
  });

  test('musl, another C library', async (t) => {
    const compiler = requirePeer(t, 'musl-gcc');
    if (compiler === undefined) return;
    const program = join(tempDir(t), 'lookup');
    execFileSync(compiler, ['-static', '-o', program, join(import.meta.dirname, 'captured/lookup.c')]);
    const lines = (await programs.run([program, ...lookups().map(([name]) => name)])).trim().split('\n');
    for (const [i, [name, addresses]] of lookups().entries()) {
      const [asked, ...found] = lines[i]!.split(' ');
      const expected = addresses.length > 0 ? addresses : ['Name', 'does', 'not', 'resolve'];
      assert.deepEqual([asked, addresses.length > 0 ? found.sort() : found], [name, expected]);
    }
  });

  test("Python, whose resolver is the C library's, with both families at once", async (t) => {
    const python = requirePeer(t, 'python3');
    if (python === undefined) return;
    const script = `
import json, socket, sys
def find(name):
    try:
        return sorted({one[4][0] for one in socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)})
    except socket.gaierror as error:
        assert error.errno == socket.EAI_NONAME, error
        return []
print(json.dumps([find(name) for name in sys.argv[1:]]))`;
    const said = await programs.run([python, '-c', script, ...lookups().map(([name]) => name)]);
    assert.deepEqual(
      JSON.parse(said),
      lookups().map(([, addresses]) => addresses),
    );
  });

  test('Node: the C library, and c-ares for all there is of a name', async () => {
    const script = `
import dns from 'node:dns/promises';
const [names, pod] = JSON.parse(process.argv[1]);
const sorted = (list) => list.map((one) => one.address ?? one).sort();
const found = [];
for (const name of names) found.push(await dns.lookup(name, { all: true }).then(sorted, ({ code }) => code));
const caught = (promise) => promise.catch(({ code }) => code);
console.log(JSON.stringify([found, [
  sorted(await dns.resolve4('db')),
  await dns.resolve4('web', { ttl: true }),
  (await dns.resolveSrv('_http._tcp.db')).map(({ name, port }) => name + ' ' + port).sort(),
  await dns.reverse('10.96.200.1'),
  await dns.reverse(pod),
  await dns.resolveCname('far.${zone}'),
  await caught(dns.resolve6('web.${zone}')),
  await caught(dns.resolve4('absent.${zone}')),
]]));`;
    const names = lookups().map(([name]) => name);
    const given = JSON.stringify([names, pod[0]]);
    const said = await programs.run([process.execPath, '--input-type=module', '-e', script, given]);
    assert.deepEqual(JSON.parse(said), [
      lookups().map(([, addresses]) => (addresses.length > 0 ? addresses : 'ENOTFOUND')),
      [
        [pod[0], pod[1]].sort(),
        [{ address: '10.96.200.1', ttl: 30 }],
        [`db-0.db.${zone} 8080`, `db-1.db.${zone} 8080`],
        [`web.${zone}`],
        [`db-0.db.${zone}`],
        ['www.example.org'],
        'ENODATA',
        'ENOTFOUND',
      ],
    ]);
  });
});
