/** Subsets of endpoints: tables of what is asked for and who gets it, one for each cluster. */
import {
  at,
  byVersion,
  clusterOf,
  FAILING,
  legacy,
  policy,
  REQUESTS,
  SELECTORS,
  type Table,
  typed,
  versions,
} from './subset-clusters.ts';

export const tables: Readonly<Record<string, Table>> = {
  none: {
    cluster: (ports) => clusterOf('none', versions(ports), legacy(byVersion)),
    routes: {
      one: { version: '1' },
      two: { version: '2' },
      gone: { version: '3' },
      number: { version: 1 },
      more: { version: '1', stage: 'prod' },
      empty: {},
    },
    rows: [
      { name: 'a subset', path: 'one', to: 'a', stats: { 'cluster.none.lb_subsets_selected': REQUESTS } },
      { name: 'another subset', path: 'two', to: 'b' },
      {
        name: 'no subset and no fallback',
        path: 'gone',
        to: 'none',
        stats: { 'cluster.none.upstream_cx_none_healthy': FAILING, 'cluster.none.lb_subsets_fallback': 0 },
      },
      { name: 'a number is not its text', path: 'number', to: 'none' },
      { name: 'a key more than the selector has', path: 'more', to: 'none' },
      { name: 'a route that asks for nothing', path: 'empty', to: 'none' },
    ],
  },
  anything: {
    cluster: (ports) =>
      clusterOf('anything', versions(ports), typed({ ...byVersion, fallback_policy: 'ANY_ENDPOINT' })),
    routes: { one: { version: '1' }, gone: { version: '3' } },
    rows: [
      { name: 'typed: a subset', path: 'one', to: 'a', stats: { 'cluster.anything.lb_subsets_fallback': 0 } },
      {
        name: 'fallback to any endpoint',
        path: 'gone',
        to: 'any',
        stats: {
          'cluster.anything.lb_subsets_fallback': REQUESTS,
          'cluster.anything.lb_subsets_selected': 0,
        },
      },
    ],
  },
  standard: {
    cluster: (ports) =>
      clusterOf(
        'standard',
        versions(ports),
        legacy({ ...byVersion, fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'dev' } }),
      ),
    routes: { one: { version: '1' }, gone: { version: '3' } },
    rows: [
      { name: 'a subset beside a default one', path: 'one', to: 'a' },
      {
        name: 'fallback to the default subset',
        path: 'gone',
        to: 'b',
        stats: { 'cluster.standard.lb_subsets_fallback': REQUESTS },
      },
    ],
  },
  nodefault: {
    cluster: (ports) =>
      clusterOf(
        'nodefault',
        versions(ports),
        typed({ ...byVersion, fallback_policy: 'DEFAULT_SUBSET', default_subset: { stage: 'none' } }),
      ),
    routes: { gone: { version: '3' } },
    rows: [{ name: 'a default subset without endpoints', path: 'gone', to: 'none' }],
  },
  panics: {
    cluster: (ports) =>
      clusterOf(
        'panics',
        versions(ports),
        legacy({
          ...byVersion,
          fallback_policy: 'DEFAULT_SUBSET',
          default_subset: { stage: 'none' },
          panic_mode_any: true,
        }),
      ),
    routes: { gone: { version: '3' } },
    rows: [
      {
        name: 'panic_mode_any where the default subset has no endpoints',
        path: 'gone',
        to: 'any',
        stats: {
          'cluster.panics.lb_subsets_fallback_panic': REQUESTS,
          'cluster.panics.lb_subsets_fallback': 0,
        },
      },
    ],
  },
  panicnone: {
    cluster: (ports) =>
      clusterOf('panicnone', versions(ports), legacy({ ...byVersion, panic_mode_any: true })),
    routes: { gone: { version: '3' } },
    rows: [{ name: 'panic_mode_any without a fallback', path: 'gone', to: 'none' }],
  },
  selectors: {
    cluster: (ports) =>
      clusterOf(
        'selectors',
        versions(ports),
        legacy({
          fallback_policy: 'ANY_ENDPOINT',
          default_subset: { stage: 'prod' },
          subset_selectors: [
            { keys: ['version'], fallback_policy: 'NO_FALLBACK' },
            { keys: ['stage'], fallback_policy: 'DEFAULT_SUBSET' },
            { keys: ['x'] },
            { keys: ['version', 'stage'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['stage'] },
            { keys: ['version', 'y'], fallback_policy: 'KEYS_SUBSET', fallback_keys_subset: ['version'] },
            { keys: ['stage', 'z'], fallback_policy: 'ANY_ENDPOINT' },
          ],
        }),
      ),
    routes: {
      version: { version: '3' },
      stage: { stage: 'none' },
      x: { x: '1' },
      both: { version: '1', stage: 'prod' },
      reduced: { version: '3', stage: 'dev' },
      twice: { version: '3', stage: 'none' },
      y: { version: '2', y: '7' },
      ygone: { version: '3', y: '7' },
      z: { stage: 'prod', z: '1' },
    },
    rows: [
      { name: 'a selector without fallback', path: 'version', to: 'none' },
      { name: 'a selector with the default subset', path: 'stage', to: 'a' },
      {
        name: 'a selector that leaves it to the cluster',
        path: 'x',
        to: 'any',
        stats: { 'cluster.selectors.lb_subsets_fallback': REQUESTS },
      },
      { name: 'a subset of two keys', path: 'both', to: 'a' },
      {
        name: 'KEYS_SUBSET: another selector',
        path: 'reduced',
        to: 'b',
        stats: { 'cluster.selectors.lb_subsets_selected': REQUESTS },
      },
      { name: 'KEYS_SUBSET: and then its fallback', path: 'twice', to: 'a' },
      { name: 'KEYS_SUBSET: the key that is left', path: 'y', to: 'b' },
      { name: 'KEYS_SUBSET: and no fallback for it', path: 'ygone', to: 'none' },
      {
        name: 'a selector with any endpoint',
        path: 'z',
        to: 'any',
        stats: { 'cluster.selectors.lb_subsets_fallback': 0 },
      },
    ],
  },
  prefix: {
    cluster: (ports) =>
      clusterOf(
        'prefix',
        versions(ports),
        legacy({
          subset_selectors: [
            { keys: ['stage', 'version'], fallback_policy: 'ANY_ENDPOINT' },
            { keys: ['stage'], fallback_policy: 'ANY_ENDPOINT' },
            { keys: ['version'], fallback_policy: 'ANY_ENDPOINT' },
          ],
        }),
      ),
    routes: { stage: { stage: 'none' }, version: { version: '9' }, both: { stage: 'none', version: '9' } },
    rows: [
      { name: 'the keys of a selector begin those of one before it', path: 'stage', to: 'none' },
      { name: 'the keys of a selector end those of one before it', path: 'version', to: 'any' },
      { name: 'the longer one', path: 'both', to: 'any' },
    ],
  },
  lists: {
    cluster: ({ a, b }) =>
      clusterOf(
        'lists',
        [
          at(a, { metadata: { version: ['1', '2'], stage: ['prod'] } }),
          at(b, { metadata: { version: ['3', '4'], stage: ['dev', 'test'] } }),
        ],
        legacy({
          subset_selectors: SELECTORS.slice(0, 2),
          list_as_any: true,
          fallback_policy: 'DEFAULT_SUBSET',
          default_subset: { stage: 'test' },
        }),
      ),
    routes: {
      two: { version: '2' },
      four: { version: '4', stage: 'test' },
      list: { version: ['1', '2'] },
      gone: { version: '5' },
    },
    rows: [
      { name: 'list_as_any: a value of a list', path: 'two', to: 'a' },
      { name: 'list_as_any: values of two lists', path: 'four', to: 'b' },
      { name: 'list_as_any: a route that asks for a list', path: 'list', to: 'b' },
      { name: 'list_as_any: the default subset', path: 'gone', to: 'b' },
    ],
  },
  wholelists: {
    cluster: ({ a, b }) =>
      clusterOf(
        'wholelists',
        [
          at(a, { metadata: { version: ['1', '2'] } }),
          at(b, { metadata: { version: { x: 1, y: [true, null] } } }),
        ],
        legacy(byVersion),
      ),
    routes: {
      list: { version: ['1', '2'] },
      one: { version: '1' },
      object: { version: { y: [true, null], x: 1 } },
    },
    rows: [
      { name: 'a list as it is', path: 'list', to: 'a' },
      { name: 'a value of a list without list_as_any', path: 'one', to: 'none' },
      { name: 'an object, whatever the order of its fields', path: 'object', to: 'b' },
    ],
  },
  redundant: {
    cluster: (ports) =>
      clusterOf(
        'redundant',
        versions(ports),
        typed({
          allow_redundant_keys: true,
          subset_selectors: [
            { keys: ['version'] },
            { keys: ['stage'] },
            { keys: ['stage', 'version'], fallback_policy: 'ANY_ENDPOINT' },
          ],
        }),
      ),
    routes: {
      more: { version: '1', x: 'y' },
      both: { version: '1', stage: 'prod', x: 'y' },
      clash: { version: '1', stage: 'dev', x: 'y' },
      first: { version: '2', w: 'x' },
      foreign: { x: 'y' },
    },
    rows: [
      { name: 'allow_redundant_keys: a key more', path: 'more', to: 'a' },
      { name: 'allow_redundant_keys: the longest selector', path: 'both', to: 'a' },
      { name: 'allow_redundant_keys: its fallback', path: 'clash', to: 'any' },
      { name: 'allow_redundant_keys: a key before', path: 'first', to: 'b' },
      { name: 'allow_redundant_keys: no selector', path: 'foreign', to: 'none' },
    ],
  },
  variants: {
    cluster: (ports) =>
      clusterOf(
        'variants',
        versions(ports),
        legacy({ subset_selectors: SELECTORS.slice(0, 2), metadata_fallback_policy: 'FALLBACK_LIST' }),
      ),
    routes: {
      second: { fallback_list: [{ version: '7' }, { version: '2' }] },
      merged: { stage: 'prod', fallback_list: [{ version: '2' }, { version: '1' }] },
      over: { version: '1', fallback_list: [{ version: '2' }] },
      nothing: { version: '1', fallback_list: [{ version: '8' }] },
      empty: { version: '1', fallback_list: [] },
      text: { version: '1', fallback_list: 'two' },
      words: { version: '1', fallback_list: ['two'] },
      absent: { version: '1' },
    },
    rows: [
      { name: 'fallback_list: the second is there', path: 'second', to: 'b' },
      { name: 'fallback_list: together with what the route asks for', path: 'merged', to: 'a' },
      { name: 'fallback_list: instead of what the route asks for', path: 'over', to: 'b' },
      { name: 'fallback_list: none is there', path: 'nothing', to: 'none' },
      { name: 'fallback_list: an empty one', path: 'empty', to: 'a' },
      { name: 'fallback_list: no list', path: 'text', to: 'a' },
      { name: 'fallback_list: absent', path: 'absent', to: 'a' },
    ],
  },
  plainlist: {
    cluster: (ports) => clusterOf('plainlist', versions(ports), legacy(byVersion)),
    routes: { list: { version: '1', fallback_list: [{ version: '1' }] } },
    rows: [{ name: 'fallback_list without the policy is a key', path: 'list', to: 'none' }],
  },
  health: {
    cluster: ({ a, b, c }) =>
      clusterOf(
        'health',
        [
          at(a, { metadata: { version: '1' }, health: 'UNHEALTHY' }),
          at(b, { metadata: { version: '2' } }),
          at(c, { metadata: { version: '1' }, priority: 1 }),
        ],
        legacy({ ...byVersion, fallback_policy: 'ANY_ENDPOINT' }),
      ),
    routes: { one: { version: '1' }, two: { version: '2' } },
    rows: [
      { name: 'a subset has priorities of its own', path: 'one', to: 'c' },
      { name: 'health of other subsets does not matter', path: 'two', to: 'b' },
    ],
  },
  ill: {
    cluster: ({ a, b }) =>
      clusterOf(
        'ill',
        [at(a, { metadata: { version: '1' }, health: 'UNHEALTHY' }), at(b, { metadata: { version: '2' } })],
        legacy({ ...byVersion, fallback_policy: 'ANY_ENDPOINT' }),
      ),
    routes: { one: { version: '1' } },
    rows: [
      {
        name: 'a subset in panic is no reason for a fallback',
        path: 'one',
        to: 'a',
        stats: { 'cluster.ill.lb_healthy_panic': REQUESTS, 'cluster.ill.lb_subsets_fallback': 0 },
      },
    ],
  },
  single: {
    cluster: ({ a, b, c }) =>
      clusterOf(
        'single',
        [
          at(a, { metadata: { id: 'a' }, health: 'UNHEALTHY' }),
          at(b, { metadata: { id: 'b' } }),
          at(c, { metadata: { id: 'c' }, priority: 1 }),
        ],
        legacy({ subset_selectors: [{ keys: ['id'], single_host_per_subset: true }] }),
      ),
    routes: { a: { id: 'a' }, b: { id: 'b' }, c: { id: 'c' }, d: { id: 'd' } },
    rows: [
      { name: 'single_host_per_subset: an endpoint', path: 'b', to: 'b' },
      { name: 'single_host_per_subset: one of another priority', path: 'c', to: 'c' },
      { name: 'single_host_per_subset: one that is not healthy', path: 'a', to: 'a' },
      { name: 'single_host_per_subset: one that is not there', path: 'd', to: 'none' },
    ],
  },
  pairs: {
    cluster: ({ a, b }) =>
      clusterOf(
        'pairs',
        [at(a, { metadata: { id: '1', stage: 'x' } }), at(b, { metadata: { id: '1', stage: 'y' } })],
        legacy({ subset_selectors: [{ keys: ['id', 'stage'], single_host_per_subset: true }] }),
      ),
    routes: { one: { id: '1', stage: 'y' }, id: { id: '1' } },
    rows: [
      { name: 'single_host_per_subset: of two keys', path: 'one', to: 'b' },
      { name: 'single_host_per_subset: of two keys, and one of them', path: 'id', to: 'none' },
    ],
  },
  noselectors: {
    cluster: (ports) => clusterOf('noselectors', versions(ports), legacy({ fallback_policy: 'NO_FALLBACK' })),
    routes: { one: { version: '1' } },
    rows: [{ name: 'no selectors: no subsets', path: 'one', to: 'any' }],
  },
  typednone: {
    cluster: (ports) => clusterOf('typednone', versions(ports), typed({ fallback_policy: 'NO_FALLBACK' })),
    routes: { one: { version: '1' } },
    rows: [{ name: 'typed: no selectors', path: 'one', to: 'none' }],
  },
  hashed: {
    cluster: ({ a, b, c }) =>
      clusterOf(
        'hashed',
        [
          at(a, { metadata: { version: '1', hash_key: 'one' } }),
          at(b, { metadata: { version: '1', hash_key: 'two' } }),
          at(c, { metadata: { version: '2', hash_key: 'three' } }),
        ],
        typed(byVersion, policy('maglev.v3.Maglev')),
      ),
    routes: { two: { version: '2' }, one: { version: '1' } },
    rows: [{ name: 'a subset that hashes', path: 'two', to: 'c', headers: ['x-key: 1'] }],
  },
  localities: {
    cluster: ({ a, b }) =>
      clusterOf(
        'localities',
        [
          at(a, { metadata: { version: '1' }, zone: 'x', zoneWeight: 1 }),
          at(b, { metadata: { version: '1' }, zone: 'y' }),
        ],
        {
          ...legacy({ ...byVersion, locality_weight_aware: true }),
          common_lb_config: { locality_weighted_lb_config: {} },
        },
      ),
    routes: { one: { version: '1' } },
    rows: [{ name: 'locality_weight_aware: a locality without weight', path: 'one', to: 'a' }],
  },
  unaware: {
    cluster: ({ a, b }) =>
      clusterOf(
        'unaware',
        [
          at(a, { metadata: { version: '1' }, zone: 'x', zoneWeight: 1 }),
          at(b, { metadata: { version: '1' }, zone: 'y' }),
        ],
        { ...legacy(byVersion), common_lb_config: { locality_weighted_lb_config: {} } },
      ),
    routes: { one: { version: '1' } },
    rows: [
      { name: 'without locality_weight_aware weights of localities do not count', path: 'one', to: 'any' },
    ],
  },
};
