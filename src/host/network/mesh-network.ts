/** The network of a mesh on one machine: a bridge, and a namespace for each Pod with an address on it. */

import { parseIp } from '#core/ip-address.ts';
import { sourceOfInbound } from './capture-rules.ts';
import { farewellsHeard } from './farewell.ts';
import type { NamespaceMeans } from './means.ts';
import { Namespace } from './namespace.ts';
import { bindScript, bindWords, type SeenFile } from './seen-files.ts';

export interface PodAddresses {
  readonly ipv4: string;
  readonly ipv6: string;
}

const BRIDGE = 'mesh';
/** The name of a Pod's interface, as in a container. */
const POD_INTERFACE = 'eth0';
/** Prefix lengths of the network. */
const V4_BITS = 16;
const V6_BITS = 64;
/** A peer that does not answer must not hold up the end of a Pod. */
const FAREWELL_MS = 2_000;

export class MeshNetwork {
  readonly #means: NamespaceMeans;
  readonly hub: Namespace;
  /** Of the bridge: where Pods send what leads out of the mesh. */
  readonly hubAddresses: PodAddresses;

  private constructor(means: NamespaceMeans, hub: Namespace, addresses: PodAddresses) {
    this.#means = means;
    this.hub = hub;
    this.hubAddresses = addresses;
  }

  static async open(means: NamespaceMeans, addresses: PodAddresses): Promise<MeshNetwork> {
    const hub = await Namespace.open(means);
    const network = new MeshNetwork(means, hub, addresses);
    try {
      const words = ['link', 'add', BRIDGE, 'type', 'bridge', 'forward_delay', '0', 'stp_state', '0'];
      await network.#ip(hub, [words, ...network.#addressed(BRIDGE, addresses)]);
    } catch (error) {
      await hub.close();
      throw error;
    }
    return network;
  }

  /** @param onBridge name of its interface there, at most 15 bytes; no two Pods have the same at one time */
  async addPod(onBridge: string, addresses: PodAddresses, seen: readonly SeenFile[]): Promise<Namespace> {
    const pod = await Namespace.open(this.#means, this.hub);
    const { ipv4, ipv6 } = this.hubAddresses;
    try {
      await this.#ip(this.hub, [
        [
          ...['link', 'add', 'name', onBridge, 'type', 'veth', 'peer', 'name', POD_INTERFACE],
          ...['address', hardwareAddress(addresses), 'netns', String(pod.pid)],
        ],
        ['link', 'set', 'dev', onBridge, 'master', BRIDGE, 'up'],
      ]);
      await this.#ip(pod, [
        ...this.#addressed(POD_INTERFACE, addresses),
        ['address', 'add', `${sourceOfInbound[6]}/128`, 'dev', 'lo', 'nodad'],
        ['route', 'add', 'default', 'via', ipv4],
        ['route', 'add', 'default', 'via', ipv6],
      ]);
      await this.#show(pod, seen);
    } catch (error) {
      await pod.close();
      throw error;
    }
    return pod;
  }

  /** Its interface goes first: with its namespace alone it would go at some later time, and its name with it. */
  async removePod(onBridge: string, pod: Namespace): Promise<void> {
    await farewellsHeard(pod.pid, FAREWELL_MS);
    // It has none any more where its namespace has gone before.
    await this.#ip(this.hub, [['link', 'delete', 'dev', onBridge]]).catch(() => {});
    await pod.close();
  }

  async close(): Promise<void> {
    await this.hub.close();
  }

  /** Words for `ip` that bring an interface up, and the loopback one. */
  #addressed(name: string, { ipv4, ipv6 }: PodAddresses): string[][] {
    return [
      ['link', 'set', 'lo', 'up'],
      ['address', 'add', `${ipv4}/${V4_BITS}`, 'dev', name],
      // Nobody else could have it: it is not asked around first.
      ['address', 'add', `${ipv6}/${V6_BITS}`, 'dev', name, 'nodad'],
      ['link', 'set', name, 'up'],
    ];
  }

  async #ip(namespace: Namespace, commands: readonly (readonly string[])[]): Promise<void> {
    const { ip } = this.#means.programs;
    await namespace.do([ip, '-batch', '-'], commands.map((words) => `${words.join(' ')}\n`).join(''));
  }

  async #show(pod: Namespace, seen: readonly SeenFile[]): Promise<void> {
    if (seen.length === 0) return;
    await pod.do(['/bin/sh', '-ec', bindScript, ...bindWords(this.#means.programs.mount, seen)]);
  }
}

/** Made of the address: others remember for a while where a Pod was that had it before. */
function hardwareAddress({ ipv4 }: PodAddresses): string {
  // The second bit of the first byte says that nobody has assigned it (IEEE 802).
  const bytes = [0x02, 0, ...parseIp(ipv4)!];
  return bytes.map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
