/**
 * What the configuration of a mesh means to one of its workloads, without sockets: documents are translated for its
 * sidecar, and its route tables and filter chains are asked where requests and connections go.
 */
import assert from 'node:assert/strict';
import { fromBinary } from '@bufbuild/protobuf';
import type { ProxySnapshot } from '#control/translate/snapshot.ts';
import { Findings } from '#proxy/findings.ts';
import { readChainMatch } from '#proxy/listen/chain-criteria.ts';
import { ChainMatcher } from '#proxy/listen/chain-match.ts';
import type { RouteTable } from '#proxy/route/table.ts';
import type { Filter, FilterChain } from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { TcpProxySchema } from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import { CheckedRequest, compileTable, outcomeOf } from './checked-request.ts';
import { snapshotOfCase } from './golden-case.ts';

export interface SimulatedWorkload {
  readonly labels?: Readonly<Record<string, string>>;
  readonly namespace?: string;
  /** Default: captured. */
  readonly mode?: 'REDIRECT' | 'NONE';
  /** Default: a sidecar. A gateway has the labels of its Gateways' selectors. */
  readonly kind?: 'sidecar' | 'router';
}

export interface Asked {
  readonly method?: string;
  /** `http://reviews:9080/api`; the port says which was called. */
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The lot of fractions and weights. */
  readonly lot?: number;
}

export interface Called {
  readonly address: string;
  readonly port: number;
  /** The name in the ClientHello; absent: no TLS. */
  readonly sni?: string;
  /** Absent: the first bytes are none of HTTP. */
  readonly http?: boolean;
}

export interface SimulatedMesh {
  readonly snapshot: ProxySnapshot;
  /**
   * `outbound|9080|v1|reviews…` or `301 LOCATION` or `418` or `404`, and behind a cluster what changed of the request:
   * ` path=/x`, ` host=x`, ` name: value` of new headers and ` -name` of those that are gone.
   */
  ask(asked: Asked): string;
  /** `http`, `closed`, or clusters, with their weights where there are several: `a=1 b=3`. */
  call(called: Called): string;
  /** Endpoints of a cluster, `ADDRESS:PORT`, those of later priorities behind a `|`; `none` where it is not told of any. */
  endpoints(cluster: string): string;
}

export function simulateMesh(documents: string, workload: SimulatedWorkload = {}): SimulatedMesh {
  const { labels = { app: 'caller' }, namespace = 'default', kind = 'sidecar' } = workload;
  const { mode = kind === 'router' ? 'NONE' : 'REDIRECT' } = workload;
  const own = {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'caller', namespace },
    spec: {
      selector: { matchLabels: labels },
      template: {
        metadata: { labels },
        spec: { serviceAccountName: 'caller', containers: [{ name: 'app', image: 'acme/caller:1' }] },
      },
    },
  };
  const snapshot = snapshotOfCase({
    node: {
      id: `${kind}~127.9.1.1~caller-0.${namespace}~${namespace}.svc.cluster.local`,
      userAgentName: 'heddle',
      metadata: { INTERCEPTION_MODE: mode },
    },
    show: [],
    input: `${JSON.stringify(own)}\n---\n${documents}`,
    problems: [],
    expected: {},
  });
  const errors = snapshot.problems.filter(({ level }) => level === 'error');
  assert.deepEqual(errors, []);
  const tables = new Map<string, RouteTable>();
  const tableOf = (port: string): RouteTable | undefined => {
    const found = snapshot.routes.find(({ name }) => name === (kind === 'router' ? `http.${port}` : port));
    if (found !== undefined && !tables.has(port)) tables.set(port, compileTable(found));
    return tables.get(port);
  };
  return {
    snapshot,
    ask: (asked) => askTable(tableOf, asked),
    call: (called) => callListener(snapshot.listeners, called),
    endpoints: (cluster) => endpointsOf(snapshot, cluster),
  };
}

function askTable(tableOf: (port: string) => RouteTable | undefined, asked: Asked): string {
  const { method = 'GET', url, headers = {}, lot = 0 } = asked;
  const [, authority = '', path = '/'] = /^http:\/\/([^/]+)(.*)$/.exec(url) ?? [];
  const port = /:(\d+)$/.exec(authority)?.[1] ?? '80';
  const table = tableOf(port);
  if (table === undefined) return 'no table';
  const request = new CheckedRequest({
    ...{ authority, method, path: path === '' ? '/' : path, random_value: lot },
    additional_request_headers: Object.entries(headers).map(([key, value]) => ({ key, value })),
  });
  const before = pairs(request.requestHeaders);
  const outcome = outcomeOf(table, request);
  if (outcome.code_redirect !== 0) return `${outcome.code_redirect} ${outcome.path_redirect}`;
  const action = request.route?.action;
  if (action === undefined) return '404';
  if (action.kind === 'direct') return String(action.status);
  const after = pairs(outcome.request).filter((one) => !/^(x-envoy-|x-forwarded-)/.test(one));
  return [
    outcome.cluster_name,
    ...(outcome.path_rewrite === (path === '' ? '/' : path) ? [] : [`path=${outcome.path_rewrite}`]),
    ...(outcome.host_rewrite === authority ? [] : [`host=${outcome.host_rewrite}`]),
    ...after.filter((one) => !before.includes(one)),
    ...before
      .filter((one) => !/^(x-envoy-|x-forwarded-)/.test(one) && !after.includes(one))
      .map((one) => `-${one.split(':')[0]}`),
  ].join(' ');
}

function pairs(headers: readonly string[]): string[] {
  return headers.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${headers[i + 1]}`] : []));
}

function endpointsOf({ endpoints }: ProxySnapshot, cluster: string): string {
  const found = endpoints.find(({ clusterName }) => clusterName === cluster);
  const all = (found?.endpoints ?? []).flatMap(({ priority, lbEndpoints }) =>
    lbEndpoints.flatMap(({ hostIdentifier }) => {
      const at = hostIdentifier.case === 'endpoint' ? hostIdentifier.value.address?.address : undefined;
      if (at?.case !== 'socketAddress') return [];
      return [{ priority, name: `${at.value.address}:${at.value.portSpecifier.value}` }];
    }),
  );
  const levels = [...Map.groupBy(all, ({ priority }) => priority)].sort(([a], [b]) => a - b);
  if (levels.length === 0) return 'none';
  return levels
    .map(([, level]) =>
      level
        .map(({ name }) => name)
        .sort()
        .join(' '),
    )
    .join(' | ');
}

function callListener(listeners: readonly Listener[], called: Called): string {
  const { address, port, sni, http = false } = called;
  const listener = listenerFor(listeners, address, port);
  if (listener === undefined) return 'passthrough';
  const matcher = new ChainMatcher<FilterChain>();
  const findings = new Findings();
  for (const chain of listener.filterChains)
    assert.equal(matcher.add(readChainMatch(chain.filterChainMatch, '', findings), chain), undefined);
  assert.deepEqual(findings.problems, []);
  const chain =
    matcher.find({
      ...{ localIp: address, localPort: port, remoteIp: '127.9.1.1', remotePort: 40_000 },
      directRemoteIp: '127.9.1.1',
      serverName: sni ?? '',
      transportProtocol: sni === undefined ? 'raw_buffer' : 'tls',
      applicationProtocols: http ? ['http/1.1'] : [],
    }) ?? listener.defaultFilterChain;
  return chain === undefined ? 'closed' : targetOf(chain.filters);
}

function listenerFor(listeners: readonly Listener[], address: string, port: number): Listener | undefined {
  const isAt = (listener: Listener, host: string): boolean =>
    [listener.address, ...listener.additionalAddresses.map((one) => one.address)].some(
      (one) =>
        one?.address.case === 'socketAddress' &&
        one.address.value.address === host &&
        one.address.value.portSpecifier.value === port,
    );
  return (
    listeners.find((listener) => isAt(listener, address)) ??
    listeners.find((listener) => isAt(listener, '0.0.0.0'))
  );
}

function targetOf(filters: readonly Filter[]): string {
  const last = filters.at(-1);
  if (last?.configType.case !== 'typedConfig') return 'closed';
  if (!last.configType.value.typeUrl.endsWith('.TcpProxy')) return 'http';
  const { clusterSpecifier } = fromBinary(TcpProxySchema, last.configType.value.value);
  if (clusterSpecifier.case === 'cluster') return clusterSpecifier.value;
  const { clusters = [] } = clusterSpecifier.value ?? {};
  return clusters.map(({ name, weight }) => `${name}=${weight}`).join(' ');
}
