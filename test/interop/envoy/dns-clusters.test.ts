/** Clusters whose endpoints are what names are looked up to. */
import { type DnsBackend, dns, type Told } from './backend/dns.ts';
import { address, bootstrap, extension, httpListener, type Message, route } from './harness/bootstrap.ts';
import type { Case, Group, Play } from './harness/case.ts';
import { compare } from './harness/compare.ts';

const NEVER = '1000s';
const SOON = '0.1s';
const LOOK_MS = 20;
const DEADLINE_MS = 10_000;

/** Of a cluster without its ports, sorted. */
async function hostsOf(play: Play, cluster: string): Promise<string[]> {
  const lines = (await play.admin('/clusters')).split('\n');
  const of = new RegExp(`^${cluster}::(.+):\\d+::health_flags::`);
  return lines.flatMap((line) => of.exec(line)?.[1] ?? []).sort();
}

async function counterOf(play: Play, name: string): Promise<number> {
  return Number(
    new RegExp(`^${name}: (\\d+)$`, 'm').exec(await play.admin(`/stats?filter=${name}`))?.[1] ?? 0,
  );
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + DEADLINE_MS; performance.now() < deadline; ) {
    if (await holds()) return;
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

interface Stage {
  readonly told: Told;
  readonly ttlS?: number;
  /** The hosts that come of it. */
  readonly hosts: readonly string[];
  /** A counter that rises three times before the hosts are looked at. */
  readonly counted?: 'update_failure' | 'update_success' | 'update_no_rebuild';
}

/** Tells the resolver one thing after another of the cluster's name, and the hosts the cluster has then. */
function row(name: string, cluster: string, stages: readonly Stage[]): Case {
  return {
    name: `names: ${name}`,
    covers: 'dns',
    uncounted: 'how often names are looked up is a matter of time',
    logLines: 0,
    play: async (play) => {
      const resolver = play.backend('dns') as DnsBackend;
      const lines: string[] = [];
      for (const { told, ttlS, hosts, counted } of stages) {
        resolver.tell(`${cluster}.example`, told, ttlS);
        if (counted !== undefined) {
          const counter = `cluster.${cluster}.${counted}`;
          const before = await counterOf(play, counter);
          await until(async () => (await counterOf(play, counter)) >= before + 3);
        }
        await until(async () => (await hostsOf(play, cluster)).join() === [...hosts].sort().join());
        lines.push(`${told}: ${await hostsOf(play, cluster)}`);
      }
      return { statuses: [], lines };
    },
    expect: {
      client: stages.map(
        ({ told, hosts }) => new RegExp(`^${told}: ${RegExp.escape([...hosts].sort().join())}$`),
      ),
    },
  };
}

const both = ['127.0.0.1', '::1'];

const cases: readonly Case[] = [
  row('all addresses, as they come and go', 'strict', [
    { told: ['127.0.0.1'], hosts: ['127.0.0.1'] },
    { told: ['127.0.0.1', '127.0.0.2'], hosts: ['127.0.0.1', '127.0.0.2'] },
    { told: ['127.0.0.3'], hosts: ['127.0.0.3'] },
  ]),
  row('another order is nothing new', 'order', [
    { told: ['127.0.0.1', '127.0.0.2'], hosts: ['127.0.0.1', '127.0.0.2'] },
    { told: ['127.0.0.2', '127.0.0.1'], hosts: ['127.0.0.1', '127.0.0.2'], counted: 'update_no_rebuild' },
  ]),
  row('a name that is no more has no hosts', 'gone', [
    { told: ['127.0.0.1'], hosts: ['127.0.0.1'] },
    { told: 'no such name', hosts: [] },
    { told: ['127.0.0.2'], hosts: ['127.0.0.2'] },
  ]),
  row('a name without addresses has no hosts', 'empty', [
    { told: ['127.0.0.1'], hosts: ['127.0.0.1'] },
    { told: [], hosts: [] },
  ]),
  row('a failure keeps the hosts', 'failing', [
    { told: ['127.0.0.1'], hosts: ['127.0.0.1'] },
    { told: 'failure', hosts: ['127.0.0.1'], counted: 'update_failure' },
    { told: ['127.0.0.2'], hosts: ['127.0.0.2'] },
  ]),
  row('silence keeps the hosts', 'silent', [
    { told: ['127.0.0.1'], hosts: ['127.0.0.1'] },
    { told: 'silence', hosts: ['127.0.0.1'], counted: 'update_failure' },
  ]),
  row('an answer is used until it is too old', 'ttl', [
    { told: ['127.0.0.1'], ttlS: 1, hosts: ['127.0.0.1'] },
    { told: ['127.0.0.2'], ttlS: 1, hosts: ['127.0.0.2'] },
  ]),
  row('failures are followed up by themselves', 'backoff', [
    { told: 'failure', hosts: [], counted: 'update_failure' },
    { told: ['127.0.0.1'], hosts: ['127.0.0.1'] },
  ]),
  row('a logical host has the first address', 'logical', [
    { told: ['127.0.0.1', '127.0.0.2'], hosts: ['127.0.0.1'] },
    { told: ['127.0.0.2', '127.0.0.1'], hosts: ['127.0.0.2'] },
  ]),
  row('a logical host outlasts its name', 'lasting', [
    { told: ['127.0.0.1'], hosts: ['127.0.0.1'] },
    { told: 'no such name', hosts: ['127.0.0.1'], counted: 'update_failure' },
    { told: ['127.0.0.2'], hosts: ['127.0.0.2'] },
  ]),
  row('AUTO: IPv6 where there is some', 'auto', [
    { told: both, hosts: ['[::1]'] },
    { told: ['127.0.0.1'], hosts: ['127.0.0.1'] },
  ]),
  row('V4_PREFERRED: IPv4 where there is some', 'preferred', [
    { told: both, hosts: ['127.0.0.1'] },
    { told: ['::1'], hosts: ['[::1]'] },
  ]),
  row('V6_ONLY', 'six', [
    { told: both, hosts: ['[::1]'] },
    { told: ['127.0.0.1'], hosts: [] },
  ]),
  row('ALL', 'all', [
    { told: both, hosts: ['127.0.0.1', '[::1]'] },
    { told: ['127.0.0.1'], hosts: ['127.0.0.1'] },
  ]),
  row('a DnsCluster', 'extension', [
    { told: ['127.0.0.1', '127.0.0.2'], hosts: ['127.0.0.1', '127.0.0.2'] },
    { told: 'no such name', hosts: [] },
  ]),
  row('a DnsCluster with one host', 'single', [
    { told: ['127.0.0.1', '127.0.0.2'], hosts: ['127.0.0.1'] },
    { told: 'no such name', hosts: ['127.0.0.1'], counted: 'update_failure' },
  ]),
];

const resolver = (port: number): Message =>
  extension('cares', 'network.dns_resolver.cares.v3.CaresDnsResolverConfig', {
    resolvers: [address(port).address],
    query_timeout_seconds: 1,
    query_tries: 1,
    dns_resolver_options: { no_default_search_domain: true },
  });

const assigned = (name: string): Message => ({
  cluster_name: name,
  endpoints: [{ lb_endpoints: [{ endpoint: address(80, `${name}.example`) }] }],
});

const named = (name: string, port: number, fields: Message = {}): Message => ({
  name,
  type: 'STRICT_DNS',
  dns_lookup_family: 'V4_ONLY',
  dns_refresh_rate: SOON,
  typed_dns_resolver_config: resolver(port),
  load_assignment: assigned(name),
  ...fields,
});

const extended = (name: string, port: number, fields: Message = {}): Message => ({
  name,
  cluster_type: extension('envoy.cluster.dns', 'clusters.dns.v3.DnsCluster', {
    dns_lookup_family: 'V4_ONLY',
    dns_refresh_rate: SOON,
    dns_jitter: '0.01s',
    typed_dns_resolver_config: resolver(port),
    ...fields,
  }),
  load_assignment: assigned(name),
});

const clusters = (port: number): Message[] => [
  ...['strict', 'order', 'gone', 'empty', 'failing', 'silent'].map((name) => named(name, port)),
  named('ttl', port, { dns_refresh_rate: NEVER, respect_dns_ttl: true }),
  named('backoff', port, {
    dns_refresh_rate: NEVER,
    dns_failure_refresh_rate: { base_interval: '0.05s', max_interval: '0.2s' },
  }),
  ...['logical', 'lasting'].map((name) => named(name, port, { type: 'LOGICAL_DNS' })),
  named('auto', port, { dns_lookup_family: 'AUTO' }),
  named('preferred', port, { dns_lookup_family: 'V4_PREFERRED' }),
  named('six', port, { dns_lookup_family: 'V6_ONLY' }),
  named('all', port, { dns_lookup_family: 'ALL' }),
  extended('extension', port),
  extended('single', port, { all_addresses_in_single_endpoint: true }),
];

export const groups: readonly Group[] = [
  {
    name: 'names',
    backends: { dns: dns({ 'ttl.example': ['127.0.0.1'], 'backoff.example': 'failure' }) },
    bootstrap: ({ ports }) =>
      bootstrap(
        [httpListener('main', { routes: [route('/', { cluster: 'strict' })] })],
        clusters(ports.dns!),
      ),
    cases,
  },
];

if (import.meta.main) compare(groups);
