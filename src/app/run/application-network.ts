/**
 * The network of an application of this host, and what its sidecar, which is not in it, has of it: sockets that listen
 * there, and a stock of others to reach the application by.
 */
import { join } from 'node:path';
import { hostPort } from '#core/ip-address.ts';
import { closeDescriptor } from '#host/bound-socket.ts';
import { openDescriptorChannel, takeDescriptor } from '#host/descriptor-channel.ts';
import type { HandedSocket } from '#host/inherited-sockets.ts';
import { capturePorts } from '#host/network/capture-rules.ts';
import { Doorway } from '#host/network/doorway.ts';
import { openLoneNetwork } from '#host/network/lone-network.ts';
import type { NamespaceMeans } from '#host/network/means.ts';
import type { Namespace } from '#host/network/namespace.ts';
import { endProcessesIn, networkNamespaceOf } from '#host/network/namespace-processes.ts';
import type { BoundAddress } from '#host/network/socket-giver.ts';
import { SOCKET_STOCK, SocketStock } from '#host/socket-stock.ts';
import type { Watchdog } from '#host/watchdog.ts';
import { writeLookupFiles } from '../lookup-files.ts';
import { dnsSocketKey } from '../workload-dns.ts';
import { SocketGiver } from './giver.ts';

export interface ApplicationNetworkSettings {
  readonly means: NamespaceMeans;
  /** For its files. */
  readonly folder: string;
  /** Of the mesh. */
  readonly namespace: string;
  /** Whether IPv6 leads anywhere from this host. */
  readonly hasIpv6: boolean;
  readonly watchdog: Watchdog;
  tell(message: string): void;
}

interface InsideSocket extends BoundAddress {
  /** What the sidecar knows it as. */
  readonly key: string;
}

const loopback = ['127.0.0.1', '::1'] as const;
const everywhere = { '127.0.0.1': '0.0.0.0', '::1': '::' } as const;

/** Of the sidecar. Nobody comes to the inbound one, which a control plane may ask for all the same. */
const inside: readonly InsideSocket[] = loopback.flatMap((host) => {
  const listeners = [capturePorts.outbound, capturePorts.inbound].map((port) => ({
    kind: 'stream' as const,
    host,
    port,
    key: hostPort(everywhere[host], port),
  }));
  const dns = (['stream', 'datagram'] as const).map((kind) => ({
    kind,
    host,
    port: capturePorts.dns,
    key: dnsSocketKey(kind, host, capturePorts.dns),
  }));
  return [...listeners, ...dns];
});

/** The giver has them under way when it says that it is there. */
const TAKE_MS = 10_000;
/** For what an application has left behind. */
const LEFT_GRACE_MS = 2_000;

export class ApplicationNetwork {
  readonly #namespace: Namespace;
  readonly #network: string;
  readonly #giver: SocketGiver;
  readonly #doorway: Doorway;
  readonly #watchdog: Watchdog;
  /** For the sidecar. */
  readonly sockets: readonly HandedSocket[];

  private constructor(
    namespace: Namespace,
    giver: SocketGiver,
    doorway: Doorway,
    sockets: readonly HandedSocket[],
    watchdog: Watchdog,
  ) {
    this.#namespace = namespace;
    this.#network = networkNamespaceOf(namespace.pid)!;
    this.#giver = giver;
    this.#doorway = doorway;
    this.#watchdog = watchdog;
    this.sockets = sockets;
  }

  /** @throws where it cannot be made */
  static async open(settings: ApplicationNetworkSettings): Promise<ApplicationNetwork> {
    const { means, folder, hasIpv6, watchdog } = settings;
    const seen = writeLookupFiles(folder, settings.namespace);
    const namespace = await openLoneNetwork(means, { hasIpv6, seen });
    watchdog.watchNetwork(networkNamespaceOf(namespace.pid));
    const [channel, stock] = openDescriptorChannel();
    const giver = new SocketGiver(namespace.enter('/'), channel, settings.tell);
    try {
      await giver.start(inside);
      const sockets = inside.map(({ key }) => ({ address: key, fd: takeDescriptor(stock, TAKE_MS) }));
      const all = [...sockets, { address: SOCKET_STOCK, fd: stock }];
      const inward = new SocketStock(stock);
      const doorway = await Doorway.open(join(folder, 'inside.sock'), () => ({ fd: inward.take(4, []) }));
      return new ApplicationNetwork(namespace, giver, doorway, all, watchdog);
    } catch (error) {
      await giver.stop();
      closeDescriptor(stock);
      await namespace.close();
      throw error;
    }
  }

  /** Of a process that is in it for as long as it is there. */
  get pid(): number {
    return this.#namespace.pid;
  }

  /** Path of the way in, for probes. */
  get doorway(): string {
    return this.#doorway.path;
  }

  /** The words before a command that runs it here: as who runs us, without a right over the network. */
  enter(workingDirectory: string): string[] {
    return this.#namespace.enterPlainly(workingDirectory);
  }

  /** Ends what the application has left behind. */
  async endApplications(): Promise<void> {
    const ours = new Set([this.#namespace.pid, this.#giver.pid]);
    await endProcessesIn(this.#network, ours, LEFT_GRACE_MS);
  }

  async close(): Promise<void> {
    await this.endApplications();
    await this.#doorway.close();
    await this.#giver.stop();
    for (const { fd } of this.sockets) closeDescriptor(fd);
    await this.#namespace.close();
    // Another one may have its number.
    this.#watchdog.watchNetwork();
  }
}
