/** The ingress gateway: one process, told by its Pod which port of this machine each Gateway port has. */
import type { MeshInstance } from '#cli/mesh-state.ts';
import { anyFreePort, nextFreePort } from '#host/free-port.ts';
import type { ProcessIdentity } from '#host/process-identity.ts';
import { pathWithNode, proxyEnvironment } from '#host/self.ts';
import { proxyCommand } from './children.ts';
import { cleanEnvironment } from './environment.ts';
import { Helper } from './helper.ts';
import { INGRESS_NAMESPACE, INGRESS_SERVICE_ACCOUNT, ingressLabels } from './ingress-plan.ts';
import { adminUrl } from './mesh-places.ts';
import type { MeshServices } from './mesh-services.ts';
import { podKeys } from './pods.ts';
import { PROXY_GRACE_MS } from './proxy-helpers.ts';
import { saysReady } from './readiness.ts';
import type { GatewayPortPlan } from './workload-plan.ts';

const POD = 'istio-ingressgateway';

/** A Gateway port and where it is on this machine. */
export interface BoundPort {
  readonly number: number;
  readonly host: string;
  readonly port: number;
  /** What was asked for, where that was taken. */
  readonly wanted?: number;
}

export class Ingress {
  readonly #mesh: MeshServices;
  readonly #address: string;
  readonly #wanted: { readonly host: string; readonly port: number };
  readonly #helper: Helper;
  readonly #bound = new Map<number, BoundPort>();
  #stopping = false;

  constructor(address: string, wanted: { readonly host: string; readonly port: number }, mesh: MeshServices) {
    this.#mesh = mesh;
    this.#address = address;
    this.#wanted = wanted;
    this.#helper = new Helper(
      {
        name: POD,
        prepare: async () => ({
          command: proxyCommand('gateway', mesh.places, {
            pod: POD,
            namespace: INGRESS_NAMESPACE,
            workload: POD,
            serviceAccount: INGRESS_SERVICE_ACCOUNT,
            labels: ingressLabels,
            address,
            trustDomain: mesh.trustDomain,
          }),
          env: {
            ...cleanEnvironment(mesh.environment, pathWithNode(mesh.environment.PATH)),
            ...proxyEnvironment,
          },
          workingDirectory: process.cwd(),
          logPath: mesh.places.log(POD),
          secret: await mesh.joinToken({
            namespace: INGRESS_NAMESPACE,
            serviceAccount: INGRESS_SERVICE_ACCOUNT,
            pod: POD,
          }),
        }),
        isReady: () => saysReady(`${adminUrl(address)}/ready`),
        onChange: () => {
          this.#writePod();
          mesh.onChange(this);
        },
        graceMs: PROXY_GRACE_MS,
      },
      mesh,
    );
  }

  get ready(): boolean {
    return this.#helper.ready && !this.#stopping;
  }

  /** Such as `http://127.0.0.1:8080`; in order of the Gateway ports. */
  get urls(): readonly string[] {
    return [...this.#bound.values()].map(
      ({ host, port }) => `http://${host.includes(':') ? `[${host}]` : host}:${port}`,
    );
  }

  /** Gives each Gateway port a port of this machine; the first gets the one that was asked for, if it is free. */
  async bind(ports: readonly GatewayPortPlan[]): Promise<readonly BoundPort[]> {
    const fresh: BoundPort[] = [];
    for (const { number } of ports.filter((port) => !this.#bound.has(port.number))) {
      const bound = { number, ...(await this.#choose()) };
      this.#bound.set(number, bound);
      fresh.push(bound);
    }
    for (const number of this.#bound.keys()) {
      if (!ports.some((port) => port.number === number)) this.#bound.delete(number);
    }
    this.#writePod();
    return fresh;
  }

  /** The port that was asked for, where it is free, or the next; each further Gateway port one after the last. */
  async #choose(): Promise<Omit<BoundPort, 'number'>> {
    const { host, port: asked } = this.#wanted;
    if (asked === 0) return { host, port: await anyFreePort(host) };
    const wanted = Math.max(asked, ...[...this.#bound.values()].map(({ port }) => port + 1));
    const port = await nextFreePort(host, wanted);
    if (port === undefined) throw new Error(`no free port on ${host} from ${wanted} on`);
    return { host, port, ...(port !== asked && { wanted: asked }) };
  }

  start(): void {
    this.#helper.start();
  }

  async stop(): Promise<void> {
    this.#stopping = true;
    await this.#helper.stop();
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
      adminUrl: adminUrl(this.#address),
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
