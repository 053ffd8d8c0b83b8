/** Dynamic forward proxy: the names that requests ask for, and what is kept of them. */
import { type DnsBackend, dns } from './backend/dns.ts';
import { http1 as http1Backend } from './backend/http1.ts';
import { untilPage } from './harness/admin-lines.ts';
import { address, bootstrap, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Expectation, Group } from './harness/case.ts';
import { compare } from './harness/compare.ts';
import { get, http1 } from './wire/http1.ts';

/** One request after the other, each on a connection of its own. */
const asked = (
  name: string,
  on: string,
  paths: readonly string[],
  expect: Expectation,
  more: Partial<Case> = {},
): Case => ({
  name: `names of requests: ${name}`,
  covers: 'dynamic-hosts',
  on,
  play: async (play) => {
    const lines: string[] = [];
    const statuses: number[] = [];
    for (const path of paths) {
      const view = await http1([get(path, 'x-host: header.example')])(play);
      statuses.push(...view.statuses);
      lines.push(...view.lines);
    }
    return { statuses, lines };
  },
  expect,
  ...more,
});

const of = (cache: string, counts: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).map(([name, rise]) => [`dns_cache.${cache}.${name}`, rise]));

const cases: readonly Case[] = [
  asked('one that is known', 'plain', ['/known'], {
    status: 200,
    upstream: /a\| host: known\.example/,
    log: / 200 - via_upstream /,
    stats: of('plain', {
      dns_query_attempt: 1,
      dns_query_success: 1,
      host_added: 1,
      host_address_changed: 1,
      cache_load: 0,
    }),
  }),
  asked('looked up once', 'once', ['/known', '/known'], {
    status: [200, 200],
    stats: of('once', { dns_query_attempt: 1, host_added: 1 }),
  }),
  asked('the default port', 'ports', ['/portless'], {
    status: 503,
    log: / 503 UF /,
    stats: of('ports', { dns_query_success: 1 }),
  }),
  asked('one that is not there', 'nowhere', ['/nowhere'], {
    status: 503,
    upstream: 'nothing',
    log: / 503 DF dns_resolution_failure/,
    client: /DNS resolution failure/,
    stats: of('nowhere', { dns_query_success: 1, dns_query_failure: 0, host_address_changed: 0 }),
  }),
  asked('one that is not there is not looked up again at once', 'absent', ['/nowhere', '/nowhere'], {
    status: [503, 503],
    stats: of('absent', { dns_query_attempt: 1, host_added: 1 }),
  }),
  asked('one that nobody knows of is looked up on demand', 'demand', ['/failing', '/failing'], {
    status: [503, 503],
    stats: of('demand', { dns_query_attempt: 2 }),
  }),
  asked('a resolver that fails', 'failing', ['/failing'], {
    status: 503,
    log: / 503 DF /,
    stats: of('failing', { dns_query_failure: 1 }),
  }),
  asked('a resolver that is silent', 'silent', ['/silent'], {
    status: 503,
    log: / 503 DF /,
    stats: of('silent', { dns_query_timeout: 1 }),
  }),
  asked('an address', 'address', ['/address'], { status: 200, upstream: /a\| GET/ }),
  asked('the host of a header', 'header', ['/header'], {
    status: 503,
    log: / header\.example 503 UF /,
    stats: of('header', { dns_query_success: 1 }),
  }),
  asked('too many names', 'small', ['/known', '/other'], {
    status: [200, 503],
    client: /DNS cache overflow/,
    stats: of('small', { host_overflow: 1, host_added: 1 }),
  }),
  asked('too many that wait', 'narrow', ['/known'], {
    status: 503,
    upstream: 'nothing',
    client: /pending request overflow/,
    stats: of('narrow', { dns_rq_pending_overflow: 1 }),
  }),
  asked(
    'one looked up before',
    'before',
    ['/known'],
    { status: 200 },
    { uncounted: 'Envoy makes the host before the request, and counts it then' },
  ),
  asked('an address that is not to be used', 'barred', ['/known'], { status: 503, log: / 503 DF / }),
  asked('one of several addresses that is not to be used', 'partly', ['/several'], {
    status: 200,
    upstream: /a\| GET/,
  }),
  asked('the first of several addresses does not answer', 'several', ['/several'], {
    status: 200,
    upstream: /a\| GET/,
  }),
  {
    ...asked('one that changes', 'changing', [], { client: [/first 200/, /then 200/] }),
    uncounted: 'how often names are looked up is a matter of time',
    logLines: 2,
    play: async (play) => {
      const resolver = play.backend('dns') as DnsBackend;
      const ask = async (): Promise<string> => String((await http1([get('/changing')])(play)).statuses);
      resolver.tell('changing.example', ['127.0.0.1'], 1);
      const first = await ask();
      resolver.tell('changing.example', ['127.0.0.9'], 1);
      await untilPage(play, '/stats', /^dns_cache\.changing\.host_address_changed: 2$/m);
      return { statuses: [], lines: [`first ${first}`, `then ${await ask()}`] };
    },
  },
  {
    ...asked('one that nobody asks for any more', 'fleeting', [], { client: [/hosts: 0$/, /removed: 1$/] }),
    uncounted: 'how often names are looked up is a matter of time',
    logLines: 1,
    play: async (play) => {
      const view = await http1([get('/known')])(play);
      await untilPage(play, '/stats', /^dns_cache\.fleeting\.host_removed: 1$/m);
      const page = await play.admin('/stats?filter=dns_cache.fleeting');
      const lines = page.split('\n').filter((line) => /(?:num_hosts|host_removed):/.test(line));
      return { statuses: view.statuses, lines };
    },
  },
];

const caches: Readonly<Record<string, Message>> = {
  plain: {},
  once: {},
  ports: {},
  nowhere: {},
  absent: {},
  demand: { disable_dns_refresh_on_failure: true },
  failing: {},
  silent: { dns_query_timeout: '0.2s' },
  address: {},
  header: {},
  small: { max_hosts: 1 },
  narrow: { dns_cache_circuit_breaker: { max_pending_requests: 0 } },
  before: {},
  barred: { resolved_address_filter: { ranges: [{ address_prefix: '127.0.0.0', prefix_len: 8 }] } },
  partly: { resolved_address_filter: { ranges: [{ address_prefix: '127.0.0.9', prefix_len: 32 }] } },
  several: {},
  changing: { dns_min_refresh_rate: '1s' },
  fleeting: { dns_min_refresh_rate: '1s', host_ttl: '0.001s' },
};

const cacheOf = (name: string, resolver: number, port: number): Message => ({
  name,
  dns_lookup_family: 'V4_ONLY',
  typed_dns_resolver_config: extension('cares', 'network.dns_resolver.cares.v3.CaresDnsResolverConfig', {
    resolvers: [address(resolver).address],
    dns_resolver_options: { no_default_search_domain: true },
  }),
  ...(name === 'before' && {
    preresolve_hostnames: [{ address: 'known.example', port_value: port }],
  }),
  ...caches[name],
});

const FILTER = 'envoy.filters.http.dynamic_forward_proxy';

const rewriting = (name: string, rewrite: Message): Message =>
  route(
    `/${name}`,
    { cluster: '@' },
    {
      typed_per_filter_config: {
        [FILTER]: {
          '@type':
            'type.googleapis.com/envoy.extensions.filters.http.dynamic_forward_proxy.v3.PerRouteConfig',
          ...rewrite,
        },
      },
    },
  );

const hosts = ['known', 'other', 'nowhere', 'failing', 'silent', 'several', 'changing'];

const routesOf = (cluster: string, port: number): Message[] =>
  [
    ...hosts.map((host) => rewriting(host, { host_rewrite_literal: `${host}.example:${port}` })),
    rewriting('portless', { host_rewrite_literal: 'known.example' }),
    rewriting('address', { host_rewrite_literal: `127.0.0.1:${port}` }),
    rewriting('header', { host_rewrite_header: 'x-host' }),
  ].map((one) => ({ ...one, route: { cluster, prefix_rewrite: '/echo' } }));

export const groups: readonly Group[] = [
  {
    name: 'names of requests',
    backends: {
      a: http1Backend(),
      dns: dns({
        'known.example': ['127.0.0.1'],
        'other.example': ['127.0.0.1'],
        'header.example': ['127.0.0.1'],
        'several.example': ['127.0.0.9', '127.0.0.1'],
        'failing.example': 'failure',
        'silent.example': 'silence',
      }),
    },
    bootstrap: ({ ports: { a = 0, dns: resolver = 0 } }) =>
      bootstrap(
        Object.keys(caches).map((name) =>
          httpListener(name, {
            routes: routesOf(name, a),
            filters: [
              extension(FILTER, 'filters.http.dynamic_forward_proxy.v3.FilterConfig', {
                dns_cache_config: cacheOf(name, resolver, a),
              }),
            ],
          }),
        ),
        Object.keys(caches).map((name) => ({
          name,
          connect_timeout: '1s',
          lb_policy: 'CLUSTER_PROVIDED',
          cluster_type: extension(
            'envoy.clusters.dynamic_forward_proxy',
            'clusters.dynamic_forward_proxy.v3.ClusterConfig',
            { dns_cache_config: cacheOf(name, resolver, a) },
          ),
        })),
      ),
    cases,
  },
];

if (import.meta.main) compare(groups);
