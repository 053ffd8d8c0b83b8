/** Which endpoints the policies of balancing choose, and which of a list of policies counts. */
import { onHttp1 } from './backend/exchange.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { untilPage } from './harness/admin-lines.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  httpListener,
  type Message,
  route,
} from './harness/bootstrap.ts';
import type { Case, ClientView, Group, Play } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, head, http1 } from './wire/http1.ts';

const BACKENDS = ['a', 'b', 'c'];

/** What an endpoint at the backend of that name is besides. */
interface Member {
  readonly at: string;
  readonly weight?: number;
  readonly ill?: true;
  readonly priority?: number;
  /** What a hash places it by: addresses are not the same beside both proxies. */
  readonly key?: string;
  readonly zone?: string;
  readonly zoneWeight?: number;
}

interface Balanced {
  readonly settings: Message;
  readonly members: readonly Member[];
}

const typed = (name: string, fields: Message = {}): Message => ({
  typed_extension_config: extension(name, `load_balancing_policies.${name}`, fields),
});
const list = (...policies: readonly Message[]): Message => ({ load_balancing_policy: { policies } });
const nobodys: Message = {
  typed_extension_config: {
    name: 'nobody',
    typed_config: { '@type': 'type.googleapis.com/google.protobuf.StringValue', value: 'x' },
  },
};
const all: readonly Member[] = BACKENDS.map((at) => ({ at }));
const two: readonly Member[] = [{ at: 'a' }, { at: 'b' }];
const weighted: readonly Member[] = [{ at: 'a', weight: 3 }, { at: 'b' }];
const oneIll: readonly Member[] = [{ at: 'a' }, { at: 'b', ill: true }, { at: 'c' }];
const second: readonly Member[] = [{ at: 'a' }, { at: 'b' }, { at: 'c', priority: 1 }];
const keyed: readonly Member[] = BACKENDS.map((at) => ({ at, key: `key-${at}` }));
const keyedWeights: readonly Member[] = keyed.map((member, i) => ({ ...member, weight: 1 + 3 * i }));
const keyedIll: readonly Member[] = keyed.map((member, i) => (i === 1 ? { ...member, ill: true } : member));
const keyedZones: readonly Member[] = keyed.map((member, i) => ({
  ...member,
  zone: `z${i}`,
  zoneWeight: 1 + 2 * i,
}));
/** The policies reach for what is healthy only where that is enough. */
const calm: Message = { common_lb_config: { healthy_panic_threshold: { value: 0 } } };
const byZone: Message = { common_lb_config: { locality_weighted_lb_config: {} } };

const clusters = new Map<string, Balanced>();
/** @returns its name */
function balanced(settings: Message, members: readonly Member[]): string {
  const name = `c${clusters.size}x`;
  clusters.set(name, { settings, members });
  return name;
}

// --- shares

const ID = 'x-test: probe';
/** Whom each of the requests reached: one after the other, as those of one connection are. */
async function reached(play: Play, to: string, times: number): Promise<string[]> {
  const request = head(`GET /${to} HTTP/1.1`, 'host: test.example', ID);
  const view = await http1([request.repeat(times)], {
    methods: Array.from({ length: times }, () => 'GET'),
    noProbe: true,
    whole: true,
  })(play);
  return view.lines.flatMap((line) => /^body by length: "(\w)/.exec(line)?.[1] ?? []);
}

const ofShares = (lines: readonly string[], times: number): ClientView => ({
  statuses: [],
  lines: [`${times} requests`, ...lines],
});

const shares = (
  name: string,
  to: string,
  times: number,
  told: (counts: ReadonlyMap<string, number>) => string,
  expect: RegExp,
): Case => ({
  name,
  covers: 'policies',
  play: async (play) => {
    const names = await reached(play, to, times);
    const counts = new Map(BACKENDS.map((at) => [at, names.filter((one) => one === at).length]));
    return ofShares([told(counts)], times);
  },
  expect: { client: expect, stats: { [`cluster.${to}.upstream_rq_total`]: times } },
  logLines: 0,
});

const counted = (counts: ReadonlyMap<string, number>): string =>
  [...counts].map(([at, count]) => `${at}=${count}`).join(' ');
/** Where it begins is drawn: one more or less. */
const nearly =
  (...wanted: readonly number[]) =>
  (counts: ReadonlyMap<string, number>): string => {
    const isNear = [...counts.values()].every((count, i) => Math.abs(count - wanted[i]!) <= 1);
    return isNear ? `shares ${wanted.join(':')}` : `shares are ${counted(counts)}, not ${wanted.join(':')}`;
  };
/** Of a chi-square with two degrees of freedom or one, more than this comes by chance once in a million. */
const CHI_SQUARE = 28;
const byChance =
  (...wanted: readonly number[]) =>
  (counts: ReadonlyMap<string, number>): string => {
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const parts = wanted.reduce((sum, part) => sum + part, 0);
    let sum = 0;
    for (const [i, count] of [...counts.values()].entries()) {
      const mean = (total * wanted[i]!) / parts;
      if (mean > 0) sum += (count - mean) ** 2 / mean;
      else if (count > 0) return `one that should get nothing: ${counted(counts)}`;
    }
    return sum < CHI_SQUARE ? `about ${wanted.join(':')}` : `${counted(counts)} is not ${wanted.join(':')}`;
  };

const robin = (name: string, settings: Message, members: readonly Member[], ...wanted: number[]): Case => {
  const times = wanted.reduce((sum, count) => sum + count, 0);
  const to = balanced(settings, members);
  return shares(`round robin: ${name}`, to, times, nearly(...wanted), /^shares [\d:]+$/);
};
const robins: readonly Case[] = [
  robin('each in its turn', {}, all, 4, 4, 4),
  robin('by weights', {}, weighted, 15, 5, 0),
  robin('as a typed policy', list(typed('round_robin.v3.RoundRobin')), all, 4, 4, 4),
  robin('without the one that is not healthy', {}, oneIll, 6, 0, 6),
  robin('the first priority only', {}, second, 6, 6, 0),
  robin('a weight that is most of it', {}, [{ at: 'a', weight: 30 }, { at: 'b' }, { at: 'c' }], 30, 1, 1),
  robin(
    'slow start that is over, by weights',
    { round_robin_lb_config: { slow_start_config: { slow_start_window: '0.001s' } } },
    weighted,
    15,
    5,
    0,
  ),
];

const TIMES = 150;
const random = (name: string, settings: Message, members: readonly Member[], ...wanted: number[]): Case =>
  shares(`random balancing: ${name}`, balanced(settings, members), TIMES, byChance(...wanted), /^about/);
const RANDOM: Message = { lb_policy: 'RANDOM' };
const randoms: readonly Case[] = [
  random('each the same', RANDOM, all, 1, 1, 1),
  random('weights are not looked at', RANDOM, weighted, 1, 1, 0),
  random('as a typed policy', list(typed('random.v3.Random')), all, 1, 1, 1),
  random('without the one that is not healthy', RANDOM, oneIll, 1, 0, 1),
  random('the first priority only', RANDOM, second, 1, 1, 0),
  random(
    'by the weights of localities',
    { ...RANDOM, ...byZone },
    [
      { at: 'a', zone: 'z0', zoneWeight: 3 },
      { at: 'b', zone: 'z1', zoneWeight: 1 },
    ],
    3,
    1,
    0,
  ),
];

// --- least request

const LEAST: Message = { lb_policy: 'LEAST_REQUEST' };
const least = (name: string, settings: Message, members: readonly Member[], ...wanted: number[]): Case =>
  shares(
    `least request: ${name}`,
    balanced({ ...LEAST, ...settings }, members),
    wanted.some((part) => part > 1) ? 80 : TIMES,
    byChance(...wanted),
    /^about/,
  );

/** While a request is held at the first endpoint, others come. */
function busy(name: string, fields: Message, members: readonly Member[], expected: RegExp): Case {
  const to = balanced(
    list(
      typed('override_host.v3.OverrideHost', {
        override_host_sources: [{ header: 'x-to' }],
        fallback_policy: { policies: [typed('least_request.v3.LeastRequest', fields)] },
      }),
    ),
    members,
  );
  return {
    name: `least request: ${name}`,
    covers: 'policies',
    play: async (play) => {
      const place = `x-to: 127.0.0.1:${play.backend('a').port}`;
      const holding = http1([get(`/${to}?hold`, place)], { noProbe: true })(play);
      await untilPage(play, '/clusters', new RegExp(`^${to}::.*::rq_active::1$`, 'm'));
      const names = await reached(play, to, 20);
      const again = names.filter((at) => at === 'a').length;
      play.backend('a').cue();
      await holding;
      const part = again === 0 ? 'nothing' : again > 3 ? 'its part' : 'little';
      return { statuses: [], lines: [`the busy one gets ${part}`] };
    },
    answers: {
      a: onHttp1(async (x) => {
        await x.cue();
        x.write(head('HTTP/1.1 200 OK', 'content-length: 0'));
      }),
    },
    expect: { client: expected, stats: { [`cluster.${to}.upstream_rq_total`]: 21 } },
    logLines: 1,
  };
}
const leasts: readonly Case[] = [
  least('each the same where all are idle', {}, all, 1, 1, 1),
  least('as a typed policy', list(typed('least_request.v3.LeastRequest')), two, 1, 1, 0),
  least('without the one that is not healthy', {}, oneIll, 1, 0, 1),
  least('by weights', {}, weighted, 3, 1, 0),
];

// --- hashing

const KEYS = 24;
const hashed = (kind: string, name: string, settings: Message, members: readonly Member[]): Case => {
  const to = balanced(settings, members);
  const used = members.filter(({ ill }) => ill !== true).map(({ at }) => at);
  return {
    name: `${kind}: ${name}`,
    covers: 'policies',
    play: http1(
      Array.from({ length: KEYS }, (_, i) => get(`/${to}`, `x-key: user-${i}`)),
      { methods: Array.from({ length: KEYS }, () => 'GET') },
    ),
    expect: {
      status: Array.from({ length: KEYS }, () => 200),
      upstream: used.map((at) => new RegExp(`^${at}\\| GET`)),
      stats: { [`cluster.${to}.upstream_rq_total`]: KEYS },
    },
  };
};
const RING: Message = { lb_policy: 'RING_HASH' };
const ring = (fields: Message): Message => ({ ...RING, ring_hash_lb_config: fields });
const MAGLEV: Message = { lb_policy: 'MAGLEV' };
const hashing: readonly Case[] = [
  hashed('ring hash', 'of the default size', RING, keyed),
  hashed('ring hash', 'by weights', RING, keyedWeights),
  hashed('ring hash', 'of MurmurHash2', ring({ hash_function: 'MURMUR_HASH_2' }), keyed),
  hashed('ring hash', 'of a small ring', ring({ minimum_ring_size: 16, maximum_ring_size: 64 }), keyed),
  hashed('ring hash', 'without the one that is not healthy', { ...RING, ...calm }, keyedIll),
  hashed('ring hash', 'by the weights of localities', { ...RING, ...byZone }, keyedZones),
  hashed(
    'ring hash',
    'as a typed policy',
    list(typed('ring_hash.v3.RingHash', { minimum_ring_size: 8 })),
    keyed,
  ),
  hashed('maglev', 'of the default size', MAGLEV, keyed),
  hashed('maglev', 'by weights', MAGLEV, keyedWeights),
  hashed('maglev', 'of a small table', { ...MAGLEV, maglev_lb_config: { table_size: 251 } }, keyed),
  hashed('maglev', 'without the one that is not healthy', { ...MAGLEV, ...calm }, keyedIll),
  hashed('maglev', 'by the weights of localities', { ...MAGLEV, ...byZone }, keyedZones),
  hashed(
    'maglev',
    'as a typed policy',
    list(typed('maglev.v3.Maglev', { table_size: 65_537 })),
    keyedWeights,
  ),
];

// --- lists

const maglev = typed('maglev.v3.Maglev');
const inTurn = typed('round_robin.v3.RoundRobin');
/** One key, several times: it sticks to one endpoint where the policy hashes. */
const listed = (name: string, settings: Message, sticks: boolean): Case => {
  const to = balanced(settings, keyed);
  const verdict = (counts: ReadonlyMap<string, number>): string =>
    [...counts.values()].includes(9) ? 'all at one' : 'spread';
  return shares(`load_balancing_policy: ${name}`, to, 9, verdict, sticks ? /^all at one$/ : /^spread$/);
};
const lists: readonly Case[] = [
  listed('the first that is known', list(nobodys, maglev), true),
  listed('the first of two that are known', list(inTurn, maglev), false),
  listed('no other after the first', list(maglev, inTurn, nobodys), true),
  listed('before lb_policy', { lb_policy: 'RANDOM', ...list(maglev) }, true),
  listed('as lb_policy says', { lb_policy: 'LOAD_BALANCING_POLICY_CONFIG', ...list(nobodys, inTurn) }, false),
  listed(
    'inside another policy',
    list(
      typed('override_host.v3.OverrideHost', {
        override_host_sources: [{ header: 'x-to' }],
        fallback_policy: { policies: [nobodys, maglev] },
      }),
    ),
    true,
  ),
];

const bias = (default_value: number): Message => ({
  active_request_bias: { default_value, runtime_key: 'none' },
});
const unequal: readonly Member[] = [
  { at: 'a', weight: 3 },
  { at: 'b', weight: 2 },
];
const busyCases: readonly Case[] = [
  // Of so many draws, all are of the busy one but once in millions of runs.
  busy('an endpoint with a request in flight is passed over', { choice_count: 24 }, two, /gets nothing/),
  busy('weights, and a bias that makes requests in flight count', bias(12), unequal, /gets (nothing|little)/),
  busy('weights, and no bias', bias(0), unequal, /gets its part/),
];

function assignmentOf(
  name: string,
  members: readonly Member[],
  ports: Readonly<Record<string, number>>,
): Message {
  const groups = Map.groupBy(members, ({ zone = '', priority = 0 }) => `${zone} ${priority}`);
  return {
    cluster_name: name,
    endpoints: [...groups.values()].map((group) => {
      const { zone, zoneWeight, priority = 0 } = group[0]!;
      return {
        priority,
        ...(zone !== undefined && { locality: { zone }, load_balancing_weight: zoneWeight }),
        lb_endpoints: group.map(({ at, weight = 1, ill, key }) => ({
          endpoint: address(ports[at]!),
          load_balancing_weight: weight,
          health_status: ill ? 'UNHEALTHY' : 'HEALTHY',
          ...(key !== undefined && { metadata: { filter_metadata: { 'envoy.lb': { hash_key: key } } } }),
        })),
      };
    }),
  };
}

export const groups: readonly Group[] = [
  {
    name: 'policies of balancing',
    backends: Object.fromEntries(BACKENDS.map((name) => [name, http1Backend()])),
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [
              ...[...clusters.keys()].map((name) =>
                route(`/${name}`, {
                  cluster: name,
                  prefix_rewrite: '/name',
                  hash_policy: [{ header: { header_name: 'x-key' } }, { header: { header_name: ':path' } }],
                }),
              ),
              route('/'),
            ],
          }),
        ],
        [
          cluster('a', [ports.a!]),
          ...[...clusters].map(([name, { settings, members }]) => ({
            ...cluster(name, []),
            ...settings,
            load_assignment: assignmentOf(name, members, ports),
          })),
        ],
      ),
    cases: [...robins, ...randoms, ...leasts, ...busyCases, ...hashing, ...lists],
  },
];

if (import.meta.main) compare(groups);
