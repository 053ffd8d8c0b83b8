/** Drawn keys among drawn endpoints: the endpoint of a key is the one Envoy has. */
import { http1 as http1Backend } from './backend/http1.ts';
import {
  address,
  bootstrap,
  cluster,
  extension,
  httpListener,
  type Message,
  route,
} from './harness/bootstrap.ts';
import type { Case, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { Draw } from './harness/draw.ts';
import { get, http1 } from './wire/http1.ts';

const BACKENDS = ['a', 'b', 'c', 'd', 'e', 'f'];
const CLUSTERS = 12;
const KEYS = 40;
/** Prime numbers for tables. */
const SIZES = [101, 1009, 65537];

interface Drawn {
  readonly settings: Message;
  /** Endpoints at the backends, in groups of localities. */
  readonly groups: readonly { readonly weight: number; readonly members: readonly Member[] }[];
}

interface Member {
  readonly backend: string;
  readonly weight: number;
  /** What places it: addresses are not the same beside both proxies. */
  readonly key: string;
  readonly ill: boolean;
}

const draw = new Draw('hash keys');

function drawnPolicy(weighted: boolean): Message {
  const common = weighted ? { locality_weighted_lb_config: {} } : {};
  if (draw.next() < 0.5) {
    const fields = { table_size: draw.pick(SIZES), ...common };
    return { load_balancing_policy: policy('maglev.v3.Maglev', fields) };
  }
  const minimum = draw.int(1, 300);
  const fields = {
    minimum_ring_size: minimum,
    maximum_ring_size: draw.int(minimum, 2000),
    hash_function: draw.pick(['XX_HASH', 'MURMUR_HASH_2']),
    ...common,
  };
  return { load_balancing_policy: policy('ring_hash.v3.RingHash', fields) };
}

const policy = (name: string, fields: Message): Message => ({
  policies: [{ typed_extension_config: extension(name, `load_balancing_policies.${name}`, fields) }],
});

const drawn: readonly Drawn[] = Array.from({ length: CLUSTERS }, () => {
  const members = draw.shuffle(BACKENDS).slice(0, draw.int(1, BACKENDS.length));
  const cut = draw.int(0, members.length);
  const weighted = draw.next() < 0.4;
  const groups = [members.slice(0, cut), members.slice(cut)]
    .filter((group) => group.length > 0)
    .map((group) => ({
      weight: draw.int(1, 9),
      members: group.map((backend, i) => ({
        backend,
        weight: draw.int(1, 5),
        key: draw.token(8),
        ill: i > 0 && draw.next() < 0.2,
      })),
    }));
  return { settings: drawnPolicy(weighted), groups };
});

const cases = drawn.map(
  ({ groups: of }, i): Case => ({
    name: `keys among the endpoints of cluster ${i}`,
    covers: 'policies',
    play: http1(
      Array.from({ length: KEYS }, () => get(`/c${i}x`, `x-key: ${draw.token(draw.int(1, 20))}`)),
      { methods: Array.from({ length: KEYS }, () => 'GET') },
    ),
    expect: {
      status: Array.from({ length: KEYS }, () => 200),
      upstream: new RegExp(
        of.flatMap(({ members }) => members.map(({ backend }) => `${backend}\\| GET`)).join('|'),
      ),
    },
  }),
);

export const groups: readonly Group[] = [
  {
    name: 'keys and endpoints',
    backends: Object.fromEntries(BACKENDS.map((name) => [name, http1Backend()])),
    bootstrap: ({ ports }) =>
      bootstrap(
        [
          httpListener('main', {
            routes: [
              ...drawn.map((_, i) =>
                route(`/c${i}x`, {
                  cluster: `c${i}x`,
                  prefix_rewrite: '/name',
                  hash_policy: [{ header: { header_name: 'x-key' } }],
                }),
              ),
              route('/'),
            ],
          }),
        ],
        [
          cluster('a', [ports.a!]),
          ...drawn.map(({ settings, groups: of }, i) => ({
            ...cluster(`c${i}x`, []),
            ...settings,
            load_assignment: {
              cluster_name: `c${i}x`,
              endpoints: of.map(({ weight, members }, g) => ({
                locality: { zone: `z${g}` },
                load_balancing_weight: weight,
                lb_endpoints: members.map(({ backend, weight: own, key, ill }) => ({
                  endpoint: address(ports[backend]!),
                  load_balancing_weight: own,
                  health_status: ill ? 'UNHEALTHY' : 'HEALTHY',
                  metadata: { filter_metadata: { 'envoy.lb': { hash_key: key } } },
                })),
              })),
            },
          })),
        ],
      ),
    cases,
  },
];

if (import.meta.main) compare(groups);
