/** `/ready`, `/server_info`, `/listeners`, `/clusters`, `/init_dump`: how the proxy is doing. */
import type { JsonObject } from '@bufbuild/protobuf';
import { pausing } from '#core/time-slice.ts';
import { CommandLineOptionsSchema } from '#xds/gen/envoy/admin/v3/server_info_pb.js';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { NodeSchema, RoutingPriority } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { wholeFromMessage } from '#xds/plain.ts';
import { healthFlag, healthText } from '../cluster/health.ts';
import type { ClusterStatus, EndpointStatus, OutlierStatus } from '../contract.ts';
import { type AdminPage, type AdminReply, type AdminView, jsonReply, textReply } from './contract.ts';
import { jsonPieces, type LazyJson, LazyList, LazyObject } from './json-pieces.ts';
import { type NameFilter, nameFilter } from './name-filter.ts';

export const readyPage: AdminPage = {
  path: '/ready',
  method: 'GET',
  help: 'print server state, return 200 if LIVE, otherwise return 503',
  answer(_, view): AdminReply {
    const state = view.state();
    return textReply(`${state}\n`, state === 'LIVE' ? 200 : 503);
  },
};

export const serverInfoPage: AdminPage = {
  path: '/server_info',
  method: 'GET',
  help: 'print server version/status information',
  answer(_, view): AdminReply {
    const uptime = `${Math.floor((Date.now() - view.startedMs) / 1000)}s`;
    const { node } = view.bootstrap;
    return jsonReply({
      version: view.version,
      state: view.state(),
      uptime_current_epoch: uptime,
      uptime_all_epochs: uptime,
      hot_restart_version: 'disabled',
      hot_restart_initializing: false,
      command_line_options: wholeFromMessage(CommandLineOptionsSchema, view.commandLine),
      ...(node === undefined ? {} : { node: wholeFromMessage(NodeSchema, node) }),
    });
  },
};

export const listenersPage: AdminPage = {
  path: '/listeners',
  method: 'GET',
  help: 'print listener info',
  parameters: { format: 'one of text, json' },
  async answer(query, { dataPath }): Promise<AdminReply> {
    const listeners = await dataPath.listeners();
    if (query.get('format') !== 'json') {
      return textReply(listeners.map(({ name, addresses }) => `${name}::${addresses.join(',')}\n`).join(''));
    }
    const statuses = listeners.map(
      ({ name, addresses: [first, ...more] }): JsonObject => ({
        name,
        ...(first === undefined ? {} : { local_address: addressJson(first) }),
        ...(more.length === 0 ? {} : { additional_local_addresses: more.map(addressJson) }),
      }),
    );
    return jsonReply(statuses.length === 0 ? {} : { listener_statuses: statuses });
  },
};

export const clustersPage: AdminPage = {
  path: '/clusters',
  method: 'GET',
  help: 'upstream cluster status',
  parameters: { filter: 'regular expression (RE2) for names of clusters', format: 'one of text, json' },
  answer(query, view): AdminReply {
    const chosen = nameFilter(query.get('filter'));
    if (chosen === undefined) return textReply('Invalid re2 regex\n', 400);
    if (query.get('format') === 'json') return { ...jsonReply({}), body: clusterJsonPieces(view, chosen) };
    return { ...textReply(''), body: clusterTextPieces(view, chosen) };
  },
};

async function* chosenClusters(
  { dataPath, table }: AdminView,
  chosen: NameFilter,
): AsyncGenerator<ClusterStatus, void, undefined> {
  for await (const status of dataPath.clusters()) {
    const isStatic = table.get('cluster', status.name)?.origin === 'static';
    if (chosen(status.name)) yield { ...status, addedViaApi: !isStatic };
  }
}

async function* clusterTextPieces(
  view: AdminView,
  chosen: NameFilter,
): AsyncGenerator<string, void, undefined> {
  for await (const status of chosenClusters(view, chosen)) {
    yield clusterText(status, yield* clusterOf(view, status.name));
    for (const endpoint of status.endpoints) yield endpointText(status.name, endpoint);
  }
}

async function* clusterJsonPieces(
  view: AdminView,
  chosen: NameFilter,
): AsyncGenerator<string, void, undefined> {
  let before = '{\n "cluster_statuses": [';
  for await (const status of chosenClusters(view, chosen)) {
    yield `${before}\n  `;
    yield* jsonPieces(clusterJson(status, yield* clusterOf(view, status.name)), '  ');
    before = ',';
  }
  yield before === ',' ? '\n ]\n}\n' : '{}\n';
}

export const initDumpPage: AdminPage = {
  path: '/init_dump',
  method: 'GET',
  help: 'dump what is waited for',
  parameters: { mask: 'the kind of what waits, such as listener or cluster' },
  answer(query, view): AdminReply {
    const kind = query.get('mask');
    const names = view.warming().filter((name) => kind === null || name.startsWith(`${kind} `));
    return jsonReply(
      names.length === 0 ? {} : { unready_targets_dumps: [{ name: 'warming', target_names: names }] },
    );
  },
};

/** Decoded in pieces; '' where it may be interrupted. */
function* clusterOf(view: AdminView, name: string): Generator<string, Cluster | undefined, undefined> {
  const active = view.table.get('cluster', name)?.active;
  return active && ((yield* pausing(active.decoded(), '')) as Cluster);
}

/** Envoy's defaults where a cluster sets none. */
const defaultLimits: Readonly<Record<string, number>> = {
  max_connections: 1024,
  max_pending_requests: 1024,
  max_requests: 1024,
  max_retries: 3,
};

function limitsOf(cluster: Cluster | undefined, priority: RoutingPriority): Record<string, number> {
  const set = cluster?.circuitBreakers?.thresholds.find((threshold) => threshold.priority === priority);
  const given: Record<string, number | undefined> = {
    max_connections: set?.maxConnections,
    max_pending_requests: set?.maxPendingRequests,
    max_requests: set?.maxRequests,
    max_retries: set?.maxRetries,
  };
  return Object.fromEntries(
    Object.entries(defaultLimits).map(([limit, fallback]) => [limit, given[limit] ?? fallback]),
  );
}

function limitLines(name: string, cluster: Cluster | undefined): string[] {
  return (
    [
      ['default_priority', RoutingPriority.DEFAULT],
      ['high_priority', RoutingPriority.HIGH],
    ] as const
  ).flatMap(([label, priority]) =>
    Object.entries(limitsOf(cluster, priority)).map(
      ([limit, value]) => `${name}::${label}::${limit}::${value}`,
    ),
  );
}

function outlierLines(name: string, { external, local }: OutlierStatus): string[] {
  return [
    ['success_rate_average', external.average],
    ['success_rate_ejection_threshold', external.ejectionThreshold],
    ['local_origin_success_rate_average', local.average],
    ['local_origin_success_rate_ejection_threshold', local.ejectionThreshold],
  ].map(([fact, value]) => `${name}::outlier::${fact}::${Number(Number(value).toPrecision(6))}`);
}

function clusterText({ name, addedViaApi, outlier }: ClusterStatus, cluster: Cluster | undefined): string {
  const lines = [
    `${name}::observability_name::${cluster?.altStatName || name}`,
    ...(outlier === undefined ? [] : outlierLines(name, outlier)),
    ...limitLines(name, cluster),
  ];
  lines.push(`${name}::added_via_api::${addedViaApi}`);
  const serviceName = cluster?.edsClusterConfig?.serviceName ?? '';
  if (serviceName !== '') lines.push(`${name}::eds_service_name::${serviceName}`);
  return `${lines.join('\n')}\n`;
}

function endpointText(cluster: string, endpoint: EndpointStatus): string {
  const { region, zone, subZone } = endpoint.locality;
  const facts: [string, string | number][] = [
    ...Object.entries(endpoint.stats),
    ['hostname', endpoint.hostname],
    ['health_flags', healthText(endpoint.flags)],
    ['weight', endpoint.weight],
    ['region', region],
    ['zone', zone],
    ['sub_zone', subZone],
    ['canary', String(endpoint.isCanary)],
    ['priority', endpoint.priority],
    ['success_rate', endpoint.successRate],
    ['local_origin_success_rate', endpoint.localOriginSuccessRate],
  ];
  return facts.map(([fact, value]) => `${cluster}::${endpoint.address}::${fact}::${value}\n`).join('');
}

function clusterJson(
  { name, addedViaApi, outlier, endpoints }: ClusterStatus,
  cluster: Cluster | undefined,
): LazyJson {
  const serviceName = cluster?.edsClusterConfig?.serviceName ?? '';
  return new LazyObject(function* fields(): Generator<[string, LazyJson], void, undefined> {
    yield ['name', name];
    if (addedViaApi) yield ['added_via_api', true];
    const { external, local } = outlier ?? {};
    if ((external?.ejectionThreshold ?? -1) >= 0) {
      yield ['success_rate_ejection_threshold', { value: external!.ejectionThreshold }];
    }
    if ((local?.ejectionThreshold ?? -1) >= 0) {
      yield ['local_origin_success_rate_ejection_threshold', { value: local!.ejectionThreshold }];
    }
    const hosts = endpoints[Symbol.iterator]();
    const first = hosts.next();
    if (first.done !== true) yield ['host_statuses', new LazyList(() => hostItems(first.value, hosts))];
    const thresholds = [
      limitsOf(cluster, RoutingPriority.DEFAULT),
      { priority: 'HIGH', ...limitsOf(cluster, RoutingPriority.HIGH) },
    ];
    yield ['circuit_breakers', { thresholds }];
    yield ['observability_name', cluster?.altStatName || name];
    if (serviceName !== '') yield ['eds_service_name', serviceName];
  });
}

function* hostItems(
  first: EndpointStatus,
  more: Iterator<EndpointStatus>,
): Generator<JsonObject, void, undefined> {
  yield hostJson(first);
  for (let next = more.next(); next.done !== true; next = more.next()) yield hostJson(next.value);
}

const gauges: ReadonlySet<string> = new Set(['cx_active', 'rq_active', 'rq_pending_active']);

function inOrder(stats: EndpointStatus['stats']): [name: string, value: number][] {
  const all = Object.entries(stats);
  return [...all.filter(([name]) => !gauges.has(name)), ...all.filter(([name]) => gauges.has(name))];
}

function hostJson(endpoint: EndpointStatus): JsonObject {
  const { region, zone, subZone } = endpoint.locality;
  return {
    address: addressJson(endpoint.address),
    // As Envoy lists them: counters, and then gauges.
    stats: inOrder(endpoint.stats).map(
      ([name, value]): JsonObject => ({
        ...(gauges.has(name) ? { type: 'GAUGE' } : {}),
        name,
        ...(value === 0 ? {} : { value: String(value) }),
      }),
    ),
    health_status: healthJson(endpoint.flags),
    ...(endpoint.successRate < 0 ? {} : { success_rate: { value: endpoint.successRate } }),
    weight: endpoint.weight,
    ...(endpoint.hostname === '' ? {} : { hostname: endpoint.hostname }),
    ...(endpoint.priority === 0 ? {} : { priority: endpoint.priority }),
    ...(endpoint.localOriginSuccessRate < 0
      ? {}
      : { local_origin_success_rate: { value: endpoint.localOriginSuccessRate } }),
    locality: {
      ...(region === '' ? {} : { region }),
      ...(zone === '' ? {} : { zone }),
      ...(subZone === '' ? {} : { sub_zone: subZone }),
    },
  };
}

/** A `HostHealthStatus`. */
function healthJson(flags: number): JsonObject {
  const has = (flag: number): boolean => (flags & flag) !== 0;
  const eds = has(healthFlag.eds_status_draining)
    ? 'DRAINING'
    : has(healthFlag.failed_eds_health)
      ? 'UNHEALTHY'
      : has(healthFlag.degraded_eds_health)
        ? 'DEGRADED'
        : 'HEALTHY';
  const set = hostFlags.filter(([, flag]) => has(flag)).map(([name]) => [name, true]);
  return { ...Object.fromEntries(set), eds_health_status: eds };
}

/** Names of fields of `HostHealthStatus`. */
const hostFlags: readonly (readonly [field: string, flag: number])[] = [
  ['failed_active_health_check', healthFlag.failed_active_hc],
  ['failed_outlier_check', healthFlag.failed_outlier_check],
  ['failed_active_degraded_check', healthFlag.degraded_active_hc],
  ['pending_dynamic_removal', healthFlag.pending_dynamic_removal],
  ['pending_active_hc', healthFlag.pending_active_hc],
  ['excluded_via_immediate_hc_fail', healthFlag.excluded_via_immediate_hc_fail],
  ['active_hc_timeout', healthFlag.active_hc_timeout],
];

/** `127.0.0.1:80`, `[::1]:80` or `envoy://LISTENER/ENDPOINT`; anything else is the path of a socket. */
function addressJson(address: string): JsonObject {
  const [, listener = '', endpoint = ''] = /^envoy:\/\/([^/]+)\/(.*)$/.exec(address) ?? [];
  if (listener !== '') {
    const named = { server_listener_name: listener, ...(endpoint !== '' && { endpoint_id: endpoint }) };
    return { envoy_internal_address: named };
  }
  const match = /^\[?(.*?)\]?:(\d+)$/.exec(address);
  if (match === null) return { pipe: { path: address } };
  return { socket_address: { address: match[1] ?? '', port_value: Number(match[2]) } };
}
