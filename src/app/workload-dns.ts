/**
 * The DNS of `heddle sidecar --dns-address`: bound where it says, told its names over ADS. What it needs is
 * loaded when it is started, and by no other proxy.
 */
import { CliError } from '#cli/exit.ts';
import type { DnsOptions } from '#cli/option/dns.ts';
import type { WorkloadProxyOptions } from '#cli/option/workload-proxy.ts';
import { hostPort } from '#core/ip-address.ts';
import { formatProblem } from '#core/problem.ts';
import { inSlices } from '#core/time-slice.ts';
import { bindSocket, bindUdpSocket, canBindSockets } from '#host/bound-socket.ts';
import { canTakeDatagrams } from '#host/datagrams.ts';
import { duplicateOf } from '#host/duplicate-descriptor.ts';
import { inheritedSocket, succeededSocket } from '#host/inherited-sockets.ts';
import { handedSocketStock } from '#host/socket-stock.ts';
import type { DnsServer, SocketKind } from '#names/dns-server.ts';
import type { ResolverAddress, ResolverList } from '#names/resolver-list.ts';
import type { Logger } from '#observe/log.ts';
import type { Metrics } from '#observe/metrics.ts';
import type { AdoptNames } from '#proxy/apply/receive.ts';
import type { OpenSocket } from '#proxy/contract.ts';
import type { NameTable } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';

const RESOLV_CONF = '/etc/resolv.conf';
/** Problems of one table that are told. */
const MAX_TOLD = 20;

/** What its sockets are called where they are handed over. */
export function dnsSocketKey(kind: SocketKind, address: string, port: number): string {
  return `dns ${kind} ${hostPort(address, port)}`;
}

export type WorkloadDnsOptions = DnsOptions & Pick<WorkloadProxyOptions, 'namespace' | 'interceptionMode'>;

export class WorkloadDns {
  readonly #options: WorkloadDnsOptions;
  readonly #log: Logger;
  #server: DnsServer | undefined;
  /** Descriptors of what is open, by what they are called where they are handed over. */
  readonly #sockets = new Map<string, number>();
  /** What came before there was a server. */
  #early: NameTable | undefined;

  constructor(options: WorkloadDnsOptions, log: Logger) {
    this.#options = options;
    this.#log = log;
  }

  *adopt(table: NameTable): ReturnType<AdoptNames> {
    if (this.#server === undefined) {
      this.#early = table;
      return [];
    }
    const problems = yield* this.#server.adopt(table);
    for (const problem of problems.slice(0, MAX_TOLD))
      this.#log.warn('dns.name', { problem: formatProblem(problem) });
    return problems;
  }

  /** Rejects with a `CliError` where it cannot be bound. */
  async start(metrics: Metrics): Promise<void> {
    const { startDnsServer } = await import('#names/dns-server.ts');
    const { dnsAddress = [], namespace, interceptionMode } = this.#options;
    const nowMs = (): number => performance.now();
    try {
      this.#server = await startDnsServer({
        addresses: dnsAddress,
        resolvers: await this.#resolvers(nowMs),
        namespace,
        metrics,
        log: this.#log,
        random: Math.random,
        nowMs,
        ...(canBindSockets() && { bound: (kind, at) => this.#socket(kind, at) }),
        ...(canTakeDatagrams() && { thread: { means: (await import('./dns-thread.ts')).dnsThreads } }),
        // Where nothing of its own is captured there is nothing to be marked.
        ...(interceptionMode !== 'NONE' &&
          handedSocketStock() === undefined && {
            sockets: (await import('./marked-sockets.ts')).markedSockets,
          }),
      });
    } catch (error) {
      throw new CliError(`cannot answer DNS: ${(error as Error).message}`, {
        advice: 'name an address of this host in --dns-address, and a port that is free for UDP and TCP.',
      });
    }
    for (const { address, port } of this.#server.addresses)
      this.#log.info('dns.listening', { address, port });
    if (this.#early !== undefined) await inSlices(this.adopt(this.#early));
    this.#early = undefined;
  }

  /** Of the predecessor or the runner, or bound here: what is to be handed over is known by its descriptor. */
  #socket(kind: SocketKind, { address, port }: ResolverAddress): number | undefined {
    // Both kinds are to have the same port, which the system chooses.
    if (port === 0) return undefined;
    const key = dnsSocketKey(kind, address, port);
    const bind = kind === 'datagram' ? bindUdpSocket : bindSocket;
    const fd = succeededSocket(key, 0) ?? inheritedSocket(key) ?? bind(address, port);
    this.#sockets.set(key, fd);
    return fd;
  }

  /** For a process that takes the place of this one; the descriptors belong to who asked. */
  openSockets(): OpenSocket[] {
    return [...this.#sockets].flatMap(([key, own]) => {
      const fd = duplicateOf(own);
      return fd === undefined ? [] : [{ key, fd }];
    });
  }

  async close(): Promise<void> {
    this.#sockets.clear();
    await this.#server?.close();
  }

  async #resolvers(nowMs: () => number): Promise<() => ResolverList> {
    const { dnsAddress = [], dnsUpstream } = this.#options;
    if (dnsUpstream === undefined) {
      const { hostResolvers } = await import('./host-resolvers.ts');
      return hostResolvers({ file: RESOLV_CONF, own: () => dnsAddress, log: this.#log, nowMs });
    }
    const { resolverList } = await import('#names/resolver-list.ts');
    const list = resolverList(dnsUpstream);
    return () => list;
  }
}
