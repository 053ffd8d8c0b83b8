/** The DNS server of a workload: its names out of the control plane's table, all others from the host's resolvers. */
import type { Problem } from '#core/problem.ts';
import type { Steps } from '#core/time-slice.ts';
import type { Logger } from '#observe/log.ts';
import type { Metrics } from '#observe/metrics.ts';
import type { MetricRegistry } from '#observe/metrics-contract.ts';
import type { NameTable } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { dnsMetrics } from './dns-metrics.ts';
import type { UpstreamSockets } from './exchange.ts';
import { Forwarder } from './forwarder.ts';
import { indexNames } from './name-index.ts';
import { QuestionThread, type ThreadSettings } from './question-thread.ts';
import { Relay } from './relay.ts';
import { Replies } from './replies.ts';
import type { ResolverAddress, ResolverList } from './resolver-list.ts';
import { Responder } from './responder.ts';
import { type ConnectionLimits, listenTcp } from './tcp-listener.ts';
import { listenUdp } from './udp-listener.ts';
import type { Zone } from './zone.ts';

export interface DnsServerSettings {
  /** Each is bound for datagrams and for connections; port 0 is one of the system's choice, the same for both. */
  readonly addresses: readonly ResolverAddress[];
  readonly resolvers: () => ResolverList;
  /** Of the workload. */
  readonly namespace: string;
  readonly metrics: MetricRegistry & Pick<Metrics, 'beforeReading'>;
  readonly log: Logger;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  /** Of a clock that only goes forward. */
  readonly nowMs: () => number;
  /** What upstreams are asked by; absent: plain ones. */
  readonly sockets?: UpstreamSockets;
  /** Absent: `cluster.local`. */
  readonly clusterDomain?: string;
  /** How long a connection may be silent; absent: 10 s. */
  readonly idleTimeoutMs?: number;
  /** Connections at a time to each address; absent: 100. */
  readonly maxConnections?: number;
  /** Sockets that are bound already, as descriptors; undefined: there is none, and the address is bound. */
  bound?(kind: SocketKind, address: ResolverAddress): number | undefined;
  /** Where many questions come, a thread answers datagrams on those sockets; absent: it is this one always. */
  readonly thread?: ThreadSettings;
}

export type SocketKind = 'datagram' | 'stream';

export interface DnsServer {
  /** As bound. */
  readonly addresses: readonly ResolverAddress[];
  /** Puts `table` in force in place of the one before. Names and addresses that are none are left out, with a warning. */
  adopt(table: NameTable): Steps<readonly Problem[]>;
  close(): Promise<void>;
}

/** Where to listen: there, or on a socket that is bound there already. */
export interface ListenAddress extends ResolverAddress {
  readonly fd?: number | undefined;
}

/** What is bound, of either protocol. */
export interface DnsListener {
  readonly port: number;
  close(): Promise<void>;
}

const CLUSTER_DOMAIN = 'cluster.local';
const IDLE_TIMEOUT_MS = 10_000;
const MAX_CONNECTIONS = 100;

/** Rejects where an address cannot be bound; nothing stays bound then. */
export async function startDnsServer(settings: DnsServerSettings): Promise<DnsServer> {
  const { namespace, log, random, clusterDomain: domain = CLUSTER_DOMAIN } = settings;
  const { idleTimeoutMs = IDLE_TIMEOUT_MS, maxConnections = MAX_CONNECTIONS } = settings;
  const metrics = dnsMetrics(settings.metrics);
  const forwarder = new Forwarder({ ...settings, metrics });
  let zone: Zone | undefined;
  let lastSerial = 0;
  const replies = new Replies(metrics, log);
  const relay = new Relay(forwarder, replies, metrics);
  const responder = new Responder({
    zone: () => zone,
    metrics,
    replies,
    random,
    others: (query, own, client) => relay.answer(query, own, client),
  });
  const thread =
    settings.thread &&
    new QuestionThread({ ...settings, ...settings.thread, zone: () => zone, responder, metrics });
  if (thread !== undefined) settings.metrics.beforeReading(() => thread.count());
  const listeners: DnsListener[] = [];
  const addresses: ResolverAddress[] = [];
  const close = async (): Promise<void> => {
    forwarder.close();
    await thread?.close();
    await Promise.all(listeners.splice(0).map((listener) => listener.close()));
  };
  try {
    for (const { address, port } of settings.addresses) {
      const limits = { idleTimeoutMs, maxConnections, refused: metrics.refusedConnections };
      const bound = await listenBoth({ address, port }, responder, limits, { ...settings, thread });
      listeners.push(...bound);
      addresses.push({ address, port: bound[0].port });
    }
  } catch (error) {
    await close();
    throw error;
  }
  return {
    addresses,
    *adopt(table): Steps<readonly Problem[]> {
      const serial = ++lastSerial;
      const { index, problems } = yield* indexNames(table, domain);
      // One that was begun later may have been done before.
      if (serial > (zone?.serial ?? 0)) {
        zone = { index, namespace, domain, serial };
        thread?.adopted();
      }
      log.debug('dns.names', { hosts: index.hosts.size, wildcards: index.wildcards.size });
      return problems;
    },
    close,
  };
}

/** How often another port of the system's choice is tried where it is free for one protocol alone. */
const PORT_ATTEMPTS = 8;

async function listenBoth(
  { address, port }: ResolverAddress,
  responder: Responder,
  limits: ConnectionLimits,
  means: UdpMeans,
): Promise<readonly [DnsListener, DnsListener]> {
  for (let attempt = 1; ; attempt++) {
    const stream = means.bound?.('stream', { address, port });
    const tcp = await listenTcp({ address, port, fd: stream }, responder, limits);
    try {
      return [tcp, await listenDatagrams({ address, port: tcp.port }, responder, means)];
    } catch (error) {
      await tcp.close();
      if (port !== 0 || attempt === PORT_ATTEMPTS) throw error;
    }
  }
}

type UdpMeans = Pick<DnsServerSettings, 'log' | 'bound'> & { readonly thread: QuestionThread | undefined };

async function listenDatagrams(
  where: ResolverAddress,
  responder: Responder,
  { log, bound, thread }: UdpMeans,
): Promise<DnsListener> {
  const fd = bound?.('datagram', where);
  if (fd === undefined || thread === undefined) return listenUdp({ ...where, fd }, responder, log);
  return thread.listen({ ...where, fd });
}
