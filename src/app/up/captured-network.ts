/**
 * The network of a mesh whose traffic is captured: a namespace for each Pod on a bridge, the control plane and the
 * doorway beside the bridge, and sockets of this machine for what people ask of them.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { hubAddresses, podRanges } from '#host/network/addresses.ts';
import { captureRules, tproxyRoutes, tproxySettings } from '#host/network/capture-rules.ts';
import { type ContainerMounts, mountVolumes } from '#host/network/container-mounts.ts';
import { Doorway } from '#host/network/doorway.ts';
import { type NamespaceMeans, unshareMountsCommand } from '#host/network/means.ts';
import { MeshNetwork, type PodAddresses } from '#host/network/mesh-network.ts';
import { Namespace } from '#host/network/namespace.ts';
import type { Ruleset } from '#host/network/packet-rules.ts';
import { lookupFiles, type SeenFile, seeingWords } from '#host/network/seen-files.ts';
import type { ChildSpec } from '#host/process.ts';
import { writeLookupFiles } from '../lookup-files.ts';
import type { CapturePlan } from './capture-plan.ts';
import { MachineSocket } from './machine-socket.ts';
import { ports } from './mesh-places.ts';

/** `sun_path` holds 108 bytes with the closing zero. */
const MAX_SOCKET_PATH_BYTES = 107;
/** Of redirected connections that leave the mesh. */
const WAY_OUT_PORT = 15_009;

export class CapturedNetwork {
  readonly #means: NamespaceMeans;
  readonly #network: MeshNetwork;
  readonly #out: Doorway;
  readonly #folder: string;
  readonly #sockets: string;

  private constructor(means: NamespaceMeans, network: MeshNetwork, out: Doorway, folder: string) {
    this.#sockets = dirname(out.path);
    this.#means = means;
    this.#network = network;
    this.#out = out;
    this.#folder = folder;
  }

  /** @param folder for its sockets and files */
  static async open(means: NamespaceMeans, folder: string): Promise<CapturedNetwork> {
    const network = await MeshNetwork.open(means, hubAddresses);
    let out: Doorway | undefined;
    try {
      out = await Doorway.open(join(makeSocketFolder(folder), 'out.sock'));
      rmSync(join(dirname(out.path), 'in.sock'), { force: true });
      await network.hub.setRules(wayOutRules);
    } catch (error) {
      await out?.close();
      await network.close();
      throw error;
    }
    return new CapturedNetwork(means, network, out, folder);
  }

  /** By which the runner reaches Pods: served by the process of {@link doorwayArguments}. */
  get doorway(): string {
    return join(this.#sockets, 'in.sock');
  }

  get isDoorwayOpen(): boolean {
    return existsSync(this.doorway);
  }

  /** Of `heddle doorway`, which runs beside the bridge. */
  get doorwayArguments(): readonly string[] {
    return [
      ...['--in', this.doorway, '--out', this.#out.path, '--port', String(WAY_OUT_PORT)],
      ...['--dns-address', hubAddresses.ipv4],
    ];
  }

  /** A process that runs beside the bridge. */
  besideBridge(spec: ChildSpec): ChildSpec {
    return within(this.#network.hub, spec);
  }

  /**
   * @param name of its interface; no two have the same at one time
   * @throws where it cannot be made
   */
  async addPod(name: string, { addresses, machineAddress, ...pod }: PodPlace): Promise<PodNetwork> {
    const admin = new MachineSocket(machineAddress, ports.admin);
    try {
      const seen = writeLookupFiles(this.#folder, pod.namespace);
      const namespace = await this.#network.addPod(name, addresses, seen);
      const remove = (): Promise<void> => this.#network.removePod(name, namespace);
      return new PodNetwork(this.#means, namespace, admin, { remove, resolvers: this.#resolversOfProxies() });
    } catch (error) {
      admin.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#network.close();
    await this.#out.close();
    if (this.#sockets !== this.#folder) rmSync(this.#sockets, { recursive: true, force: true });
  }

  /**
   * What a proxy looks up is outside of the mesh: it asks this machine's resolvers and not itself, who would answer
   * with the addresses that applications are to call.
   */
  #resolversOfProxies(): SeenFile {
    const file = join(this.#folder, 'resolv.proxy.conf');
    writeFileSync(file, `nameserver ${hubAddresses.ipv4}\n`);
    return { file, at: lookupFiles.resolvers };
  }
}

export interface PodPlace {
  readonly addresses: PodAddresses;
  /** Of this machine, for the admin interface of its proxy. */
  readonly machineAddress: string;
  readonly namespace: string;
}

interface PodNetworkMeans {
  remove(): Promise<void>;
  /** What its proxies see of resolvers. */
  readonly resolvers: SeenFile;
}

/** Of one Pod. */
export class PodNetwork {
  readonly #means: NamespaceMeans;
  readonly #namespace: Namespace;
  readonly #own: PodNetworkMeans;
  /** For the admin interface of its proxy. */
  readonly admin: MachineSocket;
  /** Of containers that have mounts of their own, by name. */
  readonly #containers = new Map<string, Namespace>();

  constructor(means: NamespaceMeans, namespace: Namespace, admin: MachineSocket, own: PodNetworkMeans) {
    this.#means = means;
    this.#namespace = namespace;
    this.#own = own;
    this.admin = admin;
  }

  /** From now on connections go to the sidecar, and questions for names to it or the agent beside it. */
  async capture(plan: CapturePlan): Promise<void> {
    const { ip } = this.#means.programs;
    if (plan.mode === 'TPROXY') {
      await this.#namespace.do(['/bin/sh', '-ec', tproxySettings]);
      for (const words of tproxyRoutes) await this.#namespace.do([ip, ...words]);
    }
    await this.#namespace.setRules(captureRules({ ...plan, hub: hubAddresses, dns: true }));
  }

  /** A process of ours, which may mark what it sends. */
  proxy(spec: ChildSpec): ChildSpec {
    const { programs } = this.#means;
    const seeing = seeingWords(unshareMountsCommand(this.#means), programs.mount, this.#own.resolvers);
    return within(this.#namespace, { ...spec, command: [...seeing, ...spec.command] });
  }

  /** From now on this container sees volumes. @throws with what cannot be mounted, and why */
  async mount(container: string, mounts: ContainerMounts): Promise<void> {
    const namespace = await Namespace.openMounts(this.#means, this.#namespace);
    this.#containers.set(container, namespace);
    await mountVolumes(namespace, this.#means.programs.mount, mounts);
  }

  application(spec: ChildSpec, container: string): ChildSpec {
    const { command, workingDirectory } = spec;
    const namespace = this.#containers.get(container) ?? this.#namespace;
    const enter = namespace.enterPlainly(workingDirectory);
    return { ...spec, command: [...enter, ...command], workingDirectory: '/' };
  }

  async close(): Promise<void> {
    await Promise.all([...this.#containers.values()].map((namespace) => namespace.close()));
    await this.#own.remove();
    this.admin.close();
  }
}

/** The folder itself, or where its path is too long for sockets, one among the temporary files. */
function makeSocketFolder(folder: string): string {
  const longest = join(folder, 'out.sock.12345678');
  if (Buffer.byteLength(longest) <= MAX_SOCKET_PATH_BYTES) return folder;
  return mkdtempSync(join(tmpdir(), 'heddle-'));
}

function within(namespace: Namespace, spec: ChildSpec): ChildSpec {
  const command = [...namespace.enter(spec.workingDirectory), ...spec.command];
  return { ...spec, command, workingDirectory: '/' };
}

const passed = { kind: 'return' } as const;

const wayOutRules: Ruleset = [
  {
    name: 'out',
    table: 'nat',
    hook: 'prerouting',
    rules: [
      { match: { incoming: 'lo' }, verdict: passed },
      { match: { destination: [podRanges.ipv4] }, verdict: passed },
      { match: { destination: [podRanges.ipv6, 'fe80::/10', 'ff00::/8'] }, verdict: passed },
      { match: { protocols: ['tcp'] }, verdict: { kind: 'redirect', port: WAY_OUT_PORT } },
    ],
  },
];
