/** The same keys go to the same endpoints as with Envoy on the same file: ring hash, Maglev, hash policies. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { describe, type TestContext, test } from 'node:test';
import { xxhash64Hex } from '#core/xxhash64.ts';
import { bootstrap, httpListener, startDataPath } from '../support/data-path.ts';
import { startEnvoy } from '../support/envoy.ts';
import { eventually } from '../support/eventually.ts';
import { requirePeer } from '../support/peer.ts';
import { rawClient } from '../support/raw-tcp.ts';

interface Host {
  readonly address: string;
  readonly healthy?: boolean;
  readonly weight?: number;
  readonly hostname?: string;
  readonly key?: string;
}

/** One server on every address of the loopback, which says at which of them it was reached. */
async function echoAddress(t: TestContext): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => {});
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      for (let end = text.indexOf('\r\n\r\n'); end !== -1; end = text.indexOf('\r\n\r\n')) {
        text = text.slice(end + 4);
        const body = socket.localAddress!.replace('::ffff:', '');
        socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
      }
    });
  });
  server.listen(0, '::');
  await once(server, 'listening');
  t.after(() => server.close());
  return (server.address() as AddressInfo).port;
}

/** Takes note of the address each request reaches, and never answers. */
async function keepWaiting(t: TestContext, orders: readonly string[][]): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => {});
    socket.once('data', () => orders.at(-1)?.push(socket.localAddress!.replace('::ffff:', '')));
  });
  server.listen(0, '::');
  await once(server, 'listening');
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

interface Group {
  readonly zone: string;
  readonly priority?: number;
  readonly weight?: number;
  readonly hosts: readonly Host[];
}

function clusterOf(name: string, port: number, localities: readonly Group[], policy: string): string {
  const groups = localities.map(({ zone, priority = 0, weight, hosts }) => {
    const endpoints = hosts.map(({ address, healthy = true, weight: own = 1, hostname = '', key }) => {
      const metadata =
        key === undefined ? '' : `, metadata: { filter_metadata: { envoy.lb: { hash_key: ${key} } } }`;
      const health = healthy ? '' : 'health_status: UNHEALTHY, ';
      return `{ ${health}load_balancing_weight: ${own}, endpoint: { hostname: '${hostname}', address: { socket_address: { address: '${address}', port_value: ${port} } } }${metadata} }`;
    });
    const share = weight === undefined ? '' : `load_balancing_weight: ${weight}, `;
    return `{ priority: ${priority}, ${share}locality: { zone: ${zone} }, lb_endpoints: [${endpoints.join(', ')}] }`;
  });
  return `
  - { name: ${name}, connect_timeout: 1s, load_assignment: { cluster_name: ${name}, endpoints: [${groups.join(', ')}] }, ${policy} }`;
}

const typed = (name: string, type: string, config: string): string =>
  `load_balancing_policy: { policies: [{ typed_extension_config: { name: ${name}, typed_config: { '@type': type.googleapis.com/envoy.extensions.load_balancing_policies.${name}.v3.${type}${config === '' ? '' : `, ${config}`} } } }] }`;

const plain: readonly Host[] = Array.from({ length: 9 }, (_, i) => ({ address: `127.0.0.${i + 1}` }));
const weighted: readonly Host[] = plain.map((host, i) => ({ ...host, weight: [1, 5, 2, 7, 3][i % 5]! }));
const named: readonly Host[] = plain.map((host, i) => ({
  ...host,
  hostname: `app-${i}.example`,
  ...(i % 3 === 0 ? { key: `tenant-${i}` } : {}),
}));
const mixed: readonly Host[] = [...plain.slice(0, 4), { address: '::1' }];
const zones = [
  { zone: 'b', weight: 3, hosts: weighted.slice(0, 3) },
  { zone: 'a', weight: 1, hosts: weighted.slice(3, 5) },
  { zone: 'c', weight: 5, hosts: weighted.slice(5) },
];
const flat = (hosts: readonly Host[]): readonly Group[] => [{ zone: 'a', hosts }];
/** `sick` of ten endpoints of the first priority are unhealthy, and four of ten of the second. */
const priorities = (sick: number): readonly Group[] =>
  [sick, 4].map((unhealthy, priority) => ({
    zone: 'a',
    priority,
    hosts: Array.from({ length: 10 }, (_, i) => ({
      address: `127.0.${priority + 1}.${i + 1}`,
      healthy: i >= unhealthy,
    })),
  }));

/** @param route more of the route, in the place of the usual hash policy. */
type Case = readonly [name: string, localities: readonly Group[], policy: string, route?: string];

const cases: readonly Case[] = [
  ['ring', flat(plain), 'lb_policy: RING_HASH'],
  ['ring-weighted', flat(weighted), 'lb_policy: RING_HASH'],
  [
    'ring-small',
    flat(weighted),
    'lb_policy: RING_HASH, ring_hash_lb_config: { minimum_ring_size: 3, maximum_ring_size: 14 }',
  ],
  [
    'ring-murmur',
    flat(weighted),
    'lb_policy: RING_HASH, ring_hash_lb_config: { hash_function: MURMUR_HASH_2, minimum_ring_size: 200 }',
  ],
  [
    'ring-named',
    flat(named),
    'type: STRICT_DNS, lb_policy: RING_HASH, common_lb_config: { consistent_hashing_lb_config: { use_hostname_for_hashing: true } }',
  ],
  ['ring-v6', flat(mixed), 'lb_policy: RING_HASH'],
  ['ring-zones', zones, 'lb_policy: RING_HASH, common_lb_config: { locality_weighted_lb_config: {} }'],
  ['ring-zones-ignored', zones, 'lb_policy: RING_HASH'],
  [
    'ring-typed',
    flat(weighted),
    typed('ring_hash', 'RingHash', 'hash_function: MURMUR_HASH_2, minimum_ring_size: 2000'),
  ],
  [
    'ring-typed-named',
    flat(named),
    typed('ring_hash', 'RingHash', 'consistent_hashing_lb_config: { use_hostname_for_hashing: true }'),
  ],
  ['ring-typed-zones', zones, typed('ring_hash', 'RingHash', 'locality_weighted_lb_config: {}')],
  ['maglev', flat(plain), 'lb_policy: MAGLEV'],
  ['maglev-weighted', flat(weighted), 'lb_policy: MAGLEV'],
  ['maglev-small', flat(weighted), 'lb_policy: MAGLEV, maglev_lb_config: { table_size: 101 }'],
  ['maglev-v6', flat(mixed), 'lb_policy: MAGLEV'],
  ['maglev-zones', zones, 'lb_policy: MAGLEV, common_lb_config: { locality_weighted_lb_config: {} }'],
  ['maglev-typed', flat(named), typed('maglev', 'Maglev', 'table_size: 5000011')],
  [
    'maglev-typed-zones',
    zones,
    typed(
      'maglev',
      'Maglev',
      'locality_weighted_lb_config: {}, consistent_hashing_lb_config: { use_hostname_for_hashing: true, hash_balance_factor: 100 }',
    ).replace('use_hostname_for_hashing: true, ', ''),
  ],
  [
    'rewritten',
    flat(plain),
    'lb_policy: MAGLEV',
    "prefix_rewrite: '/same', hash_policy: [{ header: { header_name: ':path' } }]",
  ],
  ['ring-priorities', priorities(5), 'lb_policy: RING_HASH'],
  ['maglev-priorities', priorities(8), 'lb_policy: MAGLEV'],
  ['maglev-panic', priorities(10), 'lb_policy: MAGLEV'],
  [
    'own-policy',
    flat(plain),
    typed(
      'maglev',
      'Maglev',
      'consistent_hashing_lb_config: { hash_policy: [{ query_parameter: { name: num } }] }',
    ),
  ],
];

const KEYS = 60;

/** Every request is one of these; `@` is a number. */
const requests: readonly string[] = [
  'GET /NAME/x?num=@ HTTP/1.1\r\nhost: test.example\r\nx-key: user-@\r\n\r\n',
  'GET /NAME/x?num=same HTTP/1.1\r\nhost: test.example\r\nx-key: b@\r\nx-key: a@\r\ncookie: a=1; session=s@\r\n\r\n',
];

async function picks(t: TestContext, port: number): Promise<Record<string, string[]>> {
  const found: Record<string, string[]> = {};
  const client = rawClient(t, port);
  let answers = 0;
  for (const [name] of cases) {
    found[name] = [];
    for (let key = 0; key < KEYS; key++) {
      const request = requests[key % requests.length]!.replaceAll('@', String(key)).replace('NAME', name);
      client.socket.write(request);
      answers++;
      const text = await client.until((all) => bodiesOf(all).length === answers);
      found[name].push(bodiesOf(text).at(-1)!);
    }
  }
  return found;
}

function bodiesOf(text: string): string[] {
  return text.match(/(?<=\r\n\r\n)[0-9.:]+(?=HTTP|$)/g) ?? [];
}

describe('equal hashes, equal endpoints', () => {
  test('as Envoy picks them', async (t) => {
    const program = requirePeer(t, 'envoy');
    if (program === undefined) return;
    const port = await echoAddress(t);
    const policies =
      'hash_policy: [{ header: { header_name: x-key } }, { cookie: { name: session } }, { query_parameter: { name: num } }]';
    const routes = cases.map(
      ([name, , , more = policies]) =>
        `{ match: { prefix: /${name}/ }, route: { cluster: ${name}, ${more} } }`,
    );
    const yaml = bootstrap(
      [httpListener({ routes: `[${routes.join(', ')}]` }).replace('path: log', "path: '@LOG@'")],
      cases.map(([name, localities, policy]) => clusterOf(name, port, localities, policy)),
    );
    const [heddle, envoy] = await Promise.all([startDataPath(t, yaml), startEnvoy(t, program, yaml)]);
    const [ours, theirs] = await Promise.all([picks(t, heddle.port('web')), picks(t, envoy.port('web'))]);
    for (const [name] of cases) {
      assert.ok(new Set(theirs[name]).size > 1, `${name}: Envoy spreads the keys: ${theirs[name]!.join()}`);
      assert.deepEqual(ours[name], theirs[name], name);
    }
    for (const figure of [
      'ring_hash_lb.size',
      'ring_hash_lb.min_hashes_per_host',
      'ring_hash_lb.max_hashes_per_host',
    ]) {
      for (const name of ['ring', 'ring-small', 'ring-zones']) {
        const stat = `cluster.${name}.${figure}`;
        assert.equal(heddle.stat(stat), await envoy.stat(stat), stat);
      }
    }
    for (const figure of ['min_entries_per_host', 'max_entries_per_host']) {
      for (const name of ['maglev', 'maglev-weighted', 'maglev-zones']) {
        const stat = `cluster.${name}.maglev_lb.${figure}`;
        assert.equal(heddle.stat(stat), await envoy.stat(stat), stat);
      }
    }
  });

  test('bounded loads: the same endpoints take over, in the same order', async (t) => {
    const program = requirePeer(t, 'envoy');
    if (program === undefined) return;
    const reached: string[][] = [];
    const port = await keepWaiting(t, reached);
    const bound = 'consistent_hashing_lb_config: { hash_balance_factor: 120 }';
    const routes = ['ring', 'maglev'].map(
      (name) =>
        `{ match: { prefix: /${name}/ }, route: { cluster: ${name}, timeout: 0s, hash_policy: [{ header: { header_name: x-key } }] } }`,
    );
    const yaml = bootstrap(
      [httpListener({ routes: `[${routes.join(', ')}]` }).replace('path: log', "path: '@LOG@'")],
      [
        clusterOf('ring', port, flat(weighted), typed('ring_hash', 'RingHash', bound)),
        clusterOf('maglev', port, flat(plain), typed('maglev', 'Maglev', bound)),
      ],
    );
    const [heddle, envoy] = await Promise.all([startDataPath(t, yaml), startEnvoy(t, program, yaml)]);
    const orders: string[][] = [];
    for (const web of [heddle.port('web'), envoy.port('web')]) {
      const order: string[] = [];
      reached.push(order);
      for (const name of ['ring', 'maglev']) {
        for (let i = 0; i < 30; i++) {
          const before = order.length;
          const client = rawClient(t, web);
          client.socket.write(
            `GET /${name}/x HTTP/1.1\r\nhost: test.example\r\nx-key: ${name}-${i % 3}\r\n\r\n`,
          );
          await eventually(() => assert.equal(order.length, before + 1), { everyMs: 2 });
        }
      }
      orders.push(order);
      reached.length = 0;
    }
    const [ours, theirs] = orders;
    assert.ok(new Set(theirs).size > 6, `the load is spread: ${theirs!.join()}`);
    assert.deepEqual(ours, theirs);
  });

  test('a cookie that is made is the same, and sends the next request to the same endpoint', async (t) => {
    const program = requirePeer(t, 'envoy');
    if (program === undefined) return;
    const port = await echoAddress(t);
    const cookie =
      '[{ cookie: { name: session, ttl: 3600s, path: /shop, attributes: [{ name: SameSite, value: Lax }, { name: Secure }] } }]';
    const yaml = bootstrap(
      [
        httpListener({
          routes: `[{ match: { prefix: / }, route: { cluster: app, prefix_rewrite: /else, hash_policy: ${cookie} } }]`,
        }).replace('path: log', "path: '@LOG@'"),
      ],
      [clusterOf('app', port, flat(plain), 'lb_policy: MAGLEV')],
    );
    const [heddle, envoy] = await Promise.all([startDataPath(t, yaml), startEnvoy(t, program, yaml)]);
    for (const web of [heddle.port('web'), envoy.port('web')]) {
      const client = rawClient(t, web);
      client.socket.write('GET / HTTP/1.1\r\nhost: test.example\r\n\r\n');
      const text = await client.until((all) => bodiesOf(all).length === 1);
      const { localPort } = client.socket;
      const made = xxhash64Hex(Buffer.from(`127.0.0.1:${localPort}127.0.0.1:${web}`));
      assert.equal(
        /set-cookie: (.*)\r/.exec(text)?.[1],
        `session="${made}"; Max-Age=3600; Path=/shop; SameSite=Lax; Secure; HttpOnly`,
      );
      const second = rawClient(t, web);
      second.socket.write(`GET / HTTP/1.1\r\nhost: test.example\r\ncookie: session="${made}"\r\n\r\n`);
      const again = await second.until((all) => bodiesOf(all).length === 1);
      assert.deepEqual(bodiesOf(again), bodiesOf(text));
      assert.doesNotMatch(again, /set-cookie/);
    }
  });
});
