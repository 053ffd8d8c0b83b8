/**
 * Where requests go, of many: the share of each endpoint is what its policy says, by a chi-square test. Chance has a
 * seed, so that a failure can be looked at again.
 */
import assert from 'node:assert/strict';
import { Agent, get as httpGet } from 'node:http';
import { type TestContext, test } from 'node:test';
import { seededRandom } from '#core/random.ts';
import { startDataPath } from '../support/data-path.ts';
import { startProxyChild } from '../support/proxy-child.ts';
import { httpServer, ok } from '../support/raw-tcp.ts';

const REQUESTS = 800;
const CONNECTIONS = 40;
/** One of a million sound policies would fail. */
const Z_LIMIT = 4.75;
const HCM =
  'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager';
const ROUTER = 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router';

interface Place {
  readonly weight?: number;
  readonly zone?: string;
  readonly zoneWeight?: number;
  readonly version?: string;
}

interface Row {
  readonly name: string;
  readonly endpoints: readonly Place[];
  readonly settings: object;
  /** Of each endpoint, in any unit. */
  readonly shares: readonly number[];
  /** What the route asks for. */
  readonly version?: string;
}

const equal: readonly Place[] = [{}, {}, {}, {}];
const weighted: readonly Place[] = [{ weight: 1 }, { weight: 2 }, { weight: 3 }, { weight: 4 }];
const zoned: readonly Place[] = [
  { zone: 'x', zoneWeight: 1 },
  { zone: 'x', zoneWeight: 1, weight: 3 },
  { zone: 'y', zoneWeight: 3 },
  { zone: 'y', zoneWeight: 3 },
];
const byLocality = { common_lb_config: { locality_weighted_lb_config: {} } };

const rows: readonly Row[] = [
  { name: 'round robin', endpoints: equal, settings: {}, shares: [1, 1, 1, 1] },
  { name: 'round robin by weight', endpoints: weighted, settings: {}, shares: [1, 2, 3, 4] },
  { name: 'random', endpoints: equal, settings: { lb_policy: 'RANDOM' }, shares: [1, 1, 1, 1] },
  {
    name: 'random, whatever they weigh',
    endpoints: weighted,
    settings: { lb_policy: 'RANDOM' },
    shares: [1, 1, 1, 1],
  },
  { name: 'least request', endpoints: equal, settings: { lb_policy: 'LEAST_REQUEST' }, shares: [1, 1, 1, 1] },
  {
    name: 'least request by weight',
    endpoints: weighted,
    settings: { lb_policy: 'LEAST_REQUEST' },
    shares: [1, 2, 3, 4],
  },
  {
    name: 'maglev without a hash',
    endpoints: weighted,
    settings: { lb_policy: 'MAGLEV' },
    shares: [1, 2, 3, 4],
  },
  { name: 'weights of localities', endpoints: zoned, settings: byLocality, shares: [1, 3, 6, 6] },
  {
    name: 'weights of localities in a subset',
    endpoints: zoned.map((place, i) => ({ ...place, version: i === 3 ? '2' : '1' })),
    settings: { ...byLocality, lb_subset_config: subsets({ locality_weight_aware: true }) },
    shares: [1, 3, 12, 0],
    version: '1',
  },
  {
    name: 'weights of localities in a subset, less where it has less',
    endpoints: zoned.map((place, i) => ({
      ...place,
      zoneWeight: place.zoneWeight! * 2,
      version: i === 3 ? '2' : '1',
    })),
    settings: {
      ...byLocality,
      lb_subset_config: subsets({ locality_weight_aware: true, scale_locality_weight: true }),
    },
    shares: [1, 3, 6, 0],
    version: '1',
  },
  {
    name: 'zones: what fits stays, the rest goes where there is room',
    endpoints: [{ zone: 'here' }, { zone: 'there' }, { zone: 'third' }, { zone: 'third' }],
    settings: { common_lb_config: { zone_aware_lb_config: { min_cluster_size: 1 } } },
    shares: [2, 0, 2, 2],
  },
];

function subsets(more: object): object {
  return { subset_selectors: [{ keys: ['version'] }], ...more };
}

const address = (port: number): object => ({
  address: { socket_address: { address: '127.0.0.1', port_value: port } },
});

function cluster(name: string, places: readonly Place[], ports: readonly number[], settings: object): object {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    ...settings,
    load_assignment: {
      cluster_name: name,
      endpoints: places.map(({ weight = 1, zone = '', zoneWeight, version }, i) => ({
        locality: { zone },
        ...(zoneWeight !== undefined && { load_balancing_weight: zoneWeight }),
        lb_endpoints: [
          {
            endpoint: address(ports[i]!),
            load_balancing_weight: weight,
            ...(version !== undefined && { metadata: { filter_metadata: { 'envoy.lb': { version } } } }),
          },
        ],
      })),
    },
  };
}

function bootstrapOf({ endpoints, settings, version }: Row, ports: readonly number[]): string {
  const asked =
    version === undefined ? {} : { metadata_match: { filter_metadata: { 'envoy.lb': { version } } } };
  const routes = [{ match: { prefix: '/' }, route: { cluster: 'app', ...asked } }];
  const hcm = {
    '@type': HCM,
    stat_prefix: 'web',
    route_config: { name: 'r', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] },
    http_filters: [{ name: 'router', typed_config: { '@type': ROUTER } }],
  };
  const here = ['here', 'here', 'here', 'there'].map((zone) => ({ zone }));
  return JSON.stringify({
    static_resources: {
      listeners: [
        { name: 'web', ...address(0), filter_chains: [{ filters: [{ name: 'http', typed_config: hcm }] }] },
      ],
      clusters: [cluster('local', here, [1, 2, 3, 4], {}), cluster('app', endpoints, ports, settings)],
    },
  });
}

/** How far the counts are from what is expected, as a standard normal deviate (Wilson and Hilferty). */
function deviation(counts: readonly number[], shares: readonly number[]): number {
  const total = shares.reduce((sum, share) => sum + share, 0);
  const all = counts.reduce((sum, count) => sum + count, 0);
  let square = 0;
  let freedom = -1;
  for (const [i, share] of shares.entries()) {
    if (share === 0) {
      assert.equal(counts[i], 0, `endpoint ${i} should get nothing`);
      continue;
    }
    const expected = (all * share) / total;
    square += (counts[i]! - expected) ** 2 / expected;
    freedom++;
  }
  const spread = 2 / (9 * freedom);
  return (Math.cbrt(square / freedom) - (1 - spread)) / Math.sqrt(spread);
}

async function answers(t: TestContext, port: number): Promise<Map<string, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  t.after(() => agent.destroy());
  const ask = (): Promise<string> =>
    new Promise((resolve, reject) => {
      httpGet({ port, host: '127.0.0.1', agent }, (response) => {
        let text = '';
        response.setEncoding('latin1').on('data', (data: string) => (text += data));
        response.on('end', () => resolve(text));
      }).on('error', reject);
    });
  const counts = new Map<string, number>();
  for (let i = 0; i < REQUESTS; i++) {
    const text = await ask();
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return counts;
}

for (const [i, row] of rows.entries()) {
  const seed = 1000 + i;
  test(`${row.name} (seed ${seed})`, async (t) => {
    const names = row.endpoints.map((_, at) => `e${at}`);
    const servers = await Promise.all(names.map((name) => httpServer(t, () => ok(name))));
    const path = await startDataPath(
      t,
      bootstrapOf(
        row,
        servers.map(({ port }) => port),
      ),
      undefined,
      undefined,
      {
        random: seededRandom(seed),
        home: { cluster: 'local', locality: { region: '', zone: 'here', subZone: '' } },
      },
    );
    const got = await answers(t, path.port('web'));
    const counts = names.map((name) => got.get(name) ?? 0);
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      REQUESTS,
      [...got].join(' '),
    );
    const z = deviation(counts, row.shares);
    assert.ok(z < Z_LIMIT, `${counts.join()} are ${z.toFixed(2)} deviations off ${row.shares.join(':')}`);
  });
}

test('zones and subsets hold in each of two threads', async (t) => {
  const places: readonly Place[] = [
    { zone: 'here', version: '1' },
    { zone: 'there', version: '1' },
    { zone: 'here', version: '2' },
  ];
  const settings = {
    common_lb_config: { zone_aware_lb_config: { min_cluster_size: 1 } },
    lb_subset_config: subsets({}),
  };
  const servers = await Promise.all(places.map((_, at) => httpServer(t, () => ok(`e${at}`))));
  const ports = servers.map(({ port }) => port);
  const row = { name: '', endpoints: places, settings, shares: [], version: '1' };
  const bootstrap = {
    ...(JSON.parse(bootstrapOf(row, ports)) as object),
    admin: address(0),
    node: { id: 'one', cluster: 'app', locality: { zone: 'here' } },
    cluster_manager: { local_cluster_name: 'local' },
  };
  const proxy = startProxyChild(t, JSON.stringify(bootstrap), { flags: ['--concurrency', '2'] });
  const port = await proxy.port('web');
  const seen = new Set<string>();
  // New connections: the system deals them out.
  for (let i = 0; i < CONNECTIONS; i++) {
    seen.add(await (await fetch(`http://127.0.0.1:${port}`, { headers: { connection: 'close' } })).text());
  }
  // Of the proxies three are here and one is there, of the subset half each: what does not stay goes there.
  assert.deepEqual([...seen].sort(), ['e0', 'e1']);
  const stats = await (await proxy.admin('/stats?filter=lb_')).text();
  const value = (name: string): number => Number(new RegExp(`${name}: (\\d+)`).exec(stats)?.[1]);
  assert.equal(value('app.lb_subsets_active'), 4);
  assert.equal(value('app.lb_subsets_selected'), CONNECTIONS);
  assert.equal(value('app.lb_zone_routing_sampled') + value('app.lb_zone_routing_cross_zone'), CONNECTIONS);
});
