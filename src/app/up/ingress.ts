/** The ingress gateway: one process, told by its Pod which port of this machine each Gateway port has. */
import type { MeshInstance } from '#cli/mesh-state.ts';
import { hostPort } from '#core/ip-address.ts';
import { anyFreePort, nextFreePort } from '#host/free-port.ts';
import { gatewayAddresses } from '#host/network/addresses.ts';
import type { ChildSpec } from '#host/process.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import { pathWithNode, proxyEnvironment } from '#host/self.ts';
import type { PodNetwork } from './captured-network.ts';
import { proxyCommand } from './children.ts';
import { cleanEnvironment } from './environment.ts';
import { Helper } from './helper.ts';
import { INGRESS_NAMESPACE, INGRESS_SERVICE_ACCOUNT, ingressLabels } from './ingress-plan.ts';
import { forgetKept, tokenUnlessKept } from './kept-files.ts';
import { MachineSocket } from './machine-socket.ts';
import { adminUrl, ports } from './mesh-places.ts';
import type { MeshServices } from './mesh-services.ts';
import { podKeys } from './pods.ts';
import { proxyGraceMs } from './proxy-helpers.ts';
import { usualProxy } from './proxy-plan.ts';
import { saysReady } from './readiness.ts';
import type { GatewayPortPlan } from './workload-plan.ts';

const POD = 'istio-ingressgateway';
/** Of the gateways there might be. */
const FIRST = 0;

/** A Gateway port and where it is on this machine. */
export interface BoundPort extends GatewayPortPlan {
  readonly host: string;
  readonly port: number;
  /** What was asked for, where that was taken. */
  readonly wanted?: number;
}

export class Ingress {
  readonly #mesh: MeshServices;
  /** Of this machine: where traffic is captured, for its admin interface alone. */
  readonly #machineAddress: string;
  /** By Gateway port, where traffic is captured. */
  readonly #sockets = new Map<number, MachineSocket>();
  #network: PodNetwork | undefined;
  readonly #wanted: { readonly host: string; readonly port: number };
  readonly #helper: Helper;
  readonly #bound = new Map<number, BoundPort>();
  #stopping = false;

  constructor(
    machineAddress: string,
    wanted: { readonly host: string; readonly port: number },
    mesh: MeshServices,
  ) {
    this.#mesh = mesh;
    this.#machineAddress = machineAddress;
    this.#wanted = wanted;
    const adminAddress = hostPort(machineAddress, ports.admin);
    const subject = { namespace: INGRESS_NAMESPACE, serviceAccount: INGRESS_SERVICE_ACCOUNT, pod: POD };
    this.#helper = new Helper(
      {
        name: POD,
        prepare: async () => {
          const secret = await tokenUnlessKept(mesh, subject);
          return this.#inPlace({
            command: proxyCommand('gateway', mesh.places, {
              ...subject,
              workload: POD,
              labels: ingressLabels,
              address: this.#address,
              trustDomain: mesh.trustDomain,
              hasToken: secret !== undefined,
              ...(mesh.network !== undefined && { adminAddress }),
            }),
            env: {
              ...cleanEnvironment(mesh.environment, pathWithNode(mesh.environment.PATH)),
              ...proxyEnvironment,
            },
            workingDirectory: process.cwd(),
            logPath: mesh.places.log(POD),
            pidFile: mesh.places.pidFile('gateway', POD, INGRESS_NAMESPACE),
            ...(secret !== undefined && { secret }),
          });
        },
        isReady: () => saysReady(`${adminUrl(machineAddress)}/ready`),
        onChange: () => {
          this.#writePod();
          mesh.onChange(this);
        },
        graceMs: proxyGraceMs(usualProxy),
      },
      mesh,
    );
  }

  /** In the mesh. */
  get #address(): string {
    return this.#mesh.network === undefined ? this.#machineAddress : gatewayAddresses(FIRST).ipv4;
  }

  get ready(): boolean {
    return this.#helper.ready && !this.#stopping;
  }

  /** Such as `http://127.0.0.1:8080`; those of one scheme in order of the Gateway ports. */
  get urls(): readonly string[] {
    // Plain HTTP first: that is what people try.
    const inOrder = [...this.#bound.values()].sort(
      (a, b) => a.scheme.localeCompare(b.scheme) || a.number - b.number,
    );
    return inOrder.map(({ scheme, host, port }) => `${scheme}://${hostPort(host, port)}`);
  }

  /** Gives each Gateway port a port of this machine; the first gets the one that was asked for, if it is free. */
  async bind(ports: readonly GatewayPortPlan[]): Promise<readonly BoundPort[]> {
    const fresh: BoundPort[] = [];
    for (const { number, scheme } of ports) {
      const known = this.#bound.get(number);
      if (known !== undefined) {
        this.#bound.set(number, { ...known, scheme });
        continue;
      }
      const bound = { number, scheme, ...(await this.#choose()) };
      if (this.#mesh.network !== undefined) {
        this.#sockets.set(number, new MachineSocket(bound.host, bound.port));
      }
      this.#bound.set(number, bound);
      fresh.push(bound);
    }
    const gone = [...this.#bound.keys()].filter((number) => !ports.some((port) => port.number === number));
    for (const number of gone) {
      this.#bound.delete(number);
      this.#sockets.get(number)?.close();
      this.#sockets.delete(number);
    }
    this.#writePod();
    // A process has the sockets that it was given at its start. Who connects meanwhile waits.
    if (this.#network !== undefined && fresh.length + gone.length > 0) void this.#helper.restart();
    return fresh;
  }

  /** The port that was asked for, where it is free, or the next; each further Gateway port one after the last. */
  async #choose(): Promise<Omit<BoundPort, 'number' | 'scheme'>> {
    const { host, port: asked } = this.#wanted;
    if (asked === 0) return { host, port: await anyFreePort(host) };
    const wanted = Math.max(asked, ...[...this.#bound.values()].map(({ port }) => port + 1));
    const port = await nextFreePort(host, wanted);
    if (port === undefined) throw new Error(`no free port on ${host} from ${wanted} on`);
    return { host, port, ...(port !== asked && { wanted: asked }) };
  }

  async start(): Promise<void> {
    const { network, places, stateFolder } = this.#mesh;
    stateFolder.makeFolder(places.instanceDirectory(POD, INGRESS_NAMESPACE));
    forgetKept(stateFolder, places, { pod: POD, namespace: INGRESS_NAMESPACE });
    if (network !== undefined) {
      this.#network = await network.addPod(`gateway${FIRST}`, {
        addresses: gatewayAddresses(FIRST),
        machineAddress: this.#machineAddress,
        namespace: INGRESS_NAMESPACE,
      });
    }
    this.#helper.start();
  }

  #inPlace(spec: ChildSpec): ChildSpec {
    if (this.#network === undefined) return spec;
    const sockets = [this.#network.admin, ...this.#sockets.values()].map(({ handed }) => handed);
    return this.#network.proxy({ ...spec, sockets });
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#helper.stop();
    await this.#network?.close();
    for (const socket of this.#sockets.values()) socket.close();
    this.#mesh.pods.remove({ name: POD, namespace: INGRESS_NAMESPACE });
  }

  kill(): void {
    this.#helper.kill();
  }

  processes(): readonly (ProcessIdentity & { readonly name: string })[] {
    return this.#helper.processes();
  }

  describe(): MeshInstance {
    return {
      name: POD,
      namespace: INGRESS_NAMESPACE,
      workload: POD,
      meshAddress: this.#address,
      applicationAddress: this.#address,
      ports: [...this.#bound.keys()],
      sidecar: 'heddle',
      agent: false,
      adminUrl: adminUrl(this.#machineAddress),
      version: '',
      state: this.ready ? 'ready' : 'proxy-starting',
      ready: this.ready,
    };
  }

  #writePod(): void {
    const bind = [...this.#bound.values()].map(({ number, host, port }) => [
      String(number),
      `${host}:${port}`,
    ]);
    this.#mesh.pods.write({
      name: POD,
      namespace: INGRESS_NAMESPACE,
      labels: { ...ingressLabels, [podKeys.tlsMode]: 'istio' },
      annotations: { [podKeys.gatewayBind]: JSON.stringify(Object.fromEntries(bind)) },
      serviceAccount: INGRESS_SERVICE_ACCOUNT,
      containers: [
        {
          name: 'istio-proxy',
          image: 'heddle',
          ports: [...this.#bound.keys()].map((containerPort) => ({ containerPort })),
        },
      ],
      meshAddress: this.#address,
      ready: this.ready,
    });
  }
}
