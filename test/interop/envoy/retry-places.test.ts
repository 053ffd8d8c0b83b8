import { http1 as http1Backend } from './backend/http1.ts';
import { answer, believing, policy, type Replies, row } from './cases/retry-rows.ts';
import { bootstrap, cluster, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get } from './wire/http1.ts';

const failingAll: Replies = Object.fromEntries(['a', 'b', 'c'].map((name) => [name, answer(503)]));
const orderOf = (lines: string): RegExp =>
  new RegExp(`^${[...lines].map((name) => `${name}\\| GET [\\s\\S]*?`).join('')}$`);

const places: readonly Case[] = [
  row(
    'priorities: without a say',
    [get('/priorities/any')],
    { status: 503, upstream: orderOf('aaaa'), never: /^[bc]\|/ },
    { answers: failingAll },
  ),
  row(
    'priorities: after each attempt',
    [get('/priorities/each')],
    { status: 503, upstream: orderOf('aabc') },
    { answers: failingAll },
  ),
  row(
    'priorities: after two attempts',
    [get('/priorities/two')],
    { status: 503, upstream: orderOf('aabbcc') },
    { answers: failingAll },
  ),
  row(
    'priorities: more attempts than there are',
    [get('/priorities/many')],
    { status: 503 },
    { answers: failingAll },
  ),
  row(
    'priorities: one that is not well is none',
    [get('/poor-priorities')],
    { status: 503, upstream: orderOf('aac') },
    { answers: failingAll },
  ),
  ...['1', '2', '3', '4'].map((user) =>
    row(
      `hosts: the same host by default, of user ${user}`,
      [get('/hosts/any', `x-user: ${user}`)],
      { status: 503, upstream: /([abc])\| GET [\s\S]*\1\| GET/ },
      { answers: failingAll },
    ),
  ),
  ...['3', '4'].map((user) =>
    row(
      `hosts: another than before, of user ${user}`,
      [get('/hosts/previous', `x-user: ${user}`)],
      { status: 503, upstream: /([abc])\| GET [\s\S]*(?!\1)[abc]\| GET/ },
      { answers: failingAll },
    ),
  ),
  ...['1', '2'].map((user) =>
    row(
      `hosts: another than before, with many draws, of user ${user}`,
      [get('/hosts/draws', `x-user: ${user}`)],
      { status: 503, upstream: [/^a\| GET/, /^b\| GET/, /^c\| GET/] },
      { answers: failingAll },
    ),
  ),
  ...['1', '2', '3'].map((user) =>
    row(
      `hosts: none of the canaries, of user ${user}`,
      [get('/hosts/canary', `x-user: ${user}`)],
      { status: 503, stats: { 'cluster.hashed.upstream_rq_retry': 2 } },
      { answers: failingAll },
    ),
  ),
  ...['1', '2', '3'].map((user) =>
    row(
      `hosts: none of the old ones, of user ${user}`,
      [get('/hosts/metadata', `x-user: ${user}`)],
      { status: 503, stats: { 'cluster.hashed.upstream_rq_retry': 2 } },
      { answers: failingAll },
    ),
  ),
  ...['1', '2', '3'].map((user) =>
    row(
      `hosts: none with a value in a list, of user ${user}`,
      [get('/hosts/list', `x-user: ${user}`)],
      { status: 503, stats: { 'cluster.hashed.upstream_rq_retry': 2 } },
      { answers: failingAll },
    ),
  ),
  row(
    'hosts: metadata without values',
    [get('/hosts/empty', 'x-user: 1')],
    { status: 503 },
    { answers: failingAll },
  ),
  row('hosts: no say in the first attempt', [get('/canary-only')], { status: 200, upstream: orderOf('a') }),
];

const EXTENSIONS = 'type.googleapis.com/envoy.extensions.retry';
const predicate = (name: string, type: string, fields: Message = {}): Message => ({
  name: `envoy.retry_host_predicates.${name}`,
  typed_config: { '@type': `${EXTENSIONS}.host.${name}.v3.${type}`, ...fields },
});
const previousHosts = predicate('previous_hosts', 'PreviousHostsPredicate');
const omitMetadata = (values: Message | undefined): Message =>
  predicate('omit_host_metadata', 'OmitHostMetadataConfig', {
    metadata_match: { filter_metadata: values === undefined ? {} : { 'envoy.lb': values } },
  });
const priorities = (frequency: number, retries: number): Message =>
  policy('5xx', {
    num_retries: retries,
    retry_priority: {
      name: 'envoy.retry_priorities.previous_priorities',
      typed_config: {
        '@type': `${EXTENSIONS}.priority.previous_priorities.v3.PreviousPrioritiesConfig`,
        update_frequency: frequency,
      },
    },
  });
const byUser: Message = { hash_policy: [{ header: { header_name: 'x-user' } }] };
const onHosts = (path: string, more: Message): Message =>
  route(`/hosts/${path}`, { cluster: 'hashed', ...byUser, ...policy('5xx', more) });

const routes: readonly Message[] = [
  route('/5xx', policy('5xx')),
  route('/priorities/any', { cluster: 'priorities', ...policy('5xx', { num_retries: 3 }) }),
  route('/priorities/each', { cluster: 'priorities', ...priorities(1, 3) }),
  route('/priorities/two', { cluster: 'priorities', ...priorities(2, 5) }),
  route('/priorities/many', { cluster: 'priorities', ...priorities(1, 7) }),
  route('/poor-priorities', { cluster: 'poor', ...priorities(1, 2) }),
  onHosts('any', {}),
  onHosts('previous', { num_retries: 1, retry_host_predicate: [previousHosts] }),
  onHosts('draws', { retry_host_predicate: [previousHosts], host_selection_retry_max_attempts: 50 }),
  onHosts('canary', {
    retry_host_predicate: [predicate('omit_canary_hosts', 'OmitCanaryHostsPredicate')],
    host_selection_retry_max_attempts: 50,
  }),
  onHosts('metadata', {
    retry_host_predicate: [omitMetadata({ age: 'old' })],
    host_selection_retry_max_attempts: 50,
  }),
  onHosts('list', {
    retry_host_predicate: [omitMetadata({ tags: 'x' })],
    host_selection_retry_max_attempts: 50,
  }),
  onHosts('empty', {
    retry_host_predicate: [omitMetadata(undefined)],
    host_selection_retry_max_attempts: 50,
  }),
  route('/canary-only', {
    cluster: 'canary',
    ...policy('5xx', { retry_host_predicate: [predicate('omit_canary_hosts', 'OmitCanaryHostsPredicate')] }),
  }),
  route('/status'),
];

const at = (port: number, metadata?: Message, priority?: number): Message => ({
  ...(priority !== undefined && { priority }),
  lb_endpoints: [
    {
      endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
      ...(metadata !== undefined && { metadata: { filter_metadata: { 'envoy.lb': metadata } } }),
    },
  ],
});
const assigned = (name: string, endpoints: readonly Message[], more: Message = {}): Message => ({
  name,
  type: 'STATIC',
  connect_timeout: '1s',
  load_assignment: { cluster_name: name, endpoints },
  ...more,
});
const unwell = (port: number, priority: number): Message => ({
  priority,
  lb_endpoints: [
    {
      endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
      health_status: 'UNHEALTHY',
    },
  ],
});

export const groups: readonly Group[] = [
  {
    name: 'places of retries',
    backends: { a: http1Backend(), b: http1Backend(), c: http1Backend() },
    bootstrap: ({ ports: { a = 0, b = 0, c = 0 } }) =>
      bootstrap(
        [httpListener('main', { routes, ...believing })],
        [
          cluster('a', [a]),
          assigned('priorities', [at(a, undefined, 0), at(b, undefined, 1), at(c, undefined, 2)]),
          assigned('poor', [at(a, undefined, 0), unwell(b, 1), at(c, undefined, 2)]),
          assigned(
            'hashed',
            [
              at(a, { hash_key: 'a', canary: true, age: 'old', tags: ['x', 'y'] }),
              at(b, { hash_key: 'b', canary: false, age: 'new', tags: ['y'] }),
              at(c, { hash_key: 'c', age: 'old', tags: 'x' }),
            ],
            { lb_policy: 'RING_HASH' },
          ),
          assigned('canary', [at(a, { canary: true })]),
        ],
      ),
    cases: places,
  },
];

if (import.meta.main) compare(groups);
