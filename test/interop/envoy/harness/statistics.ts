/** Counters of a proxy: which are compared, and by how much they rose. */

/** Each name of a counter, with its value. */
export type Stats = ReadonlyMap<string, number>;

/** Families whose counters are compared. */
const compared =
  /^(?:http\.|cluster\.|listener\.|tcp\.|http1\.|http2\.|tls_inspector\.|http_inspector\.|proxy_proto\.|original_dst\.|vhost\.)/;

/** What of them is not, and why. */
const left: readonly RegExp[] = [
  // The page itself is asked for over HTTP.
  /^(?:http|listener)\.admin\./,
  // Gauges and sums of time and bytes: of the moment, or of lengths of what is drawn.
  /(?:_active|_buffered|_time|_ms|_bytes|bytes_(?:sent|received)|_bytes_total|_open|_pending|_size|_unix_time_seconds)$/,
  /\.(?:membership_|circuit_breakers\.|version$|max_host_weight|lb_healthy_panic|update_|assignment_|bind_errors|lb_zone|lb_recalculate|lb_local|lb_subsets|upstream_internal)/,
  // A listener of Envoy counts for itself what the connection manager counts too, one each worker.
  /^listener\..*\.worker_\d+\./,
  /^listener\..*\.http\./,
  // Sums of a cluster's requests by where they came from.
  /^cluster\..*\.(?:external|internal)\./,
  // Whether a connection to the upstream was left over by the case before.
  /\.upstream_rq_pending_total$/,
  // How often a reader was held back is a matter of sizes and of time; so is what came before an upstream was there.
  /flow_control_|early_data_received/,
  // The table of a hashing balancer: gauges.
  /\.(?:ring_hash|maglev)_lb\./,
  // What a connection was ended by is a matter of who was first.
  /_cx_destroy/,
  /\.upstream_cx_(?:close_notify|length|idle_timeout|http[123]_total|total)$/,
  // What the library agreed on, which Node does not tell of a server's connection.
  /\.ssl\.(?:curves|sigalgs)\./,
  // Which library the codec is.
  /http2\.nghttp2_/,
  // Batches of codec events that have no counterpart on the wire.
  /^http2\..*(?:pending_send|deferred|streams_active)|\.http2\.(?:pending_send|deferred|streams_active|.*keepalive)/,
];

export function readStats(page: string): Stats {
  const stats = new Map<string, number>();
  for (const line of page.split('\n')) {
    const [, name, value] = /^(\S+): (\d+)$/.exec(line) ?? [];
    if (name !== undefined) stats.set(name, Number(value));
  }
  return stats;
}

/** Gauges of what is under way between clients and upstreams, where it is not nothing. */
export function underWay(stats: Stats): string[] {
  const active = /\.(?:downstream_cx_active|downstream_rq_active|upstream_rq_active)$/;
  return [...stats]
    .filter(([name, value]) => value !== 0 && active.test(name) && !/^(?:http|listener)\.admin\./.test(name))
    .map(([name, value]) => `${name} is ${value}`);
}

/** By how much each of the compared counters rose. */
export function risen(before: Stats, now: Stats, also: readonly string[] = []): Record<string, number> {
  const deltas: [string, number][] = [];
  for (const [name, value] of now) {
    const delta = value - (before.get(name) ?? 0);
    if (delta === 0) continue;
    if (also.includes(name) || (compared.test(name) && !left.some((pattern) => pattern.test(name))))
      deltas.push([name, delta]);
  }
  return Object.fromEntries(deltas.sort(([a], [b]) => (a < b ? -1 : 1)));
}
