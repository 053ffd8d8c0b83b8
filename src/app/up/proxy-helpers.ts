/** Which processes of the mesh stand beside an instance: a sidecar of ours, a real Envoy with an agent, or an agent alone. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { readPidFile } from '#host/pid-file.ts';
import type { ChildSpec } from '#host/process.ts';
import { identifyProcess } from '#host/process-identity.ts';
import { pathWithNode, proxyEnvironment } from '#host/self.ts';
import { bootstrapFileNames } from '../agent-folder.ts';
import type { PodNetwork } from './captured-network.ts';
import { findEnvoy, proxyCommand } from './children.ts';
import { cleanEnvironment } from './environment.ts';
import { Helper } from './helper.ts';
import type { InstancePlace } from './instance.ts';
import { tokenUnlessKept } from './kept-files.ts';
import { adminUrl } from './mesh-places.ts';
import type { MeshServices } from './mesh-services.ts';
import type { ProxyPlan } from './proxy-plan.ts';
import { saysReady } from './readiness.ts';
import type { WorkloadPlan } from './workload-plan.ts';

/** What a proxy takes to drain its last connections. */
export function proxyGraceMs({ drainSeconds }: ProxyPlan): number {
  return (drainSeconds + 1) * 1_000;
}

export interface ProxyHelpers {
  readonly helpers: readonly Helper[];
  /** Bootstrap file of gRPC's xDS, where the application speaks it. */
  readonly grpcBootstrap: string | undefined;
}

export interface ProxyHelperSettings {
  /** Of its Pod, where traffic is captured; asked once that is there. */
  network(): PodNetwork | undefined;
  onChange(): void;
}

export function proxyHelpers(
  plan: WorkloadPlan,
  place: InstancePlace,
  mesh: MeshServices,
  { network, onChange }: ProxyHelperSettings,
): ProxyHelpers {
  const helper = (name: string, spec: () => Promise<ChildSpec>, isReady: () => Promise<boolean>): Helper =>
    new Helper(
      {
        name: `${place.name}.${name}`,
        prepare: async () => {
          const made = await spec();
          return network()?.proxy(made) ?? made;
        },
        isReady,
        onChange,
        graceMs: proxyGraceMs(plan.proxy),
      },
      mesh,
    );
  const answersReady = (): Promise<boolean> => saysReady(`${adminUrl(place.machineAddress)}/ready`);
  const folder = mesh.places.instanceDirectory(place.name, plan.namespace);
  const helpers: Helper[] = [];
  if (plan.sidecar === 'heddle') {
    helpers.push(helper('sidecar', () => ownSpec('sidecar', plan, place, mesh, network()), answersReady));
  }
  if (plan.sidecar === 'envoy' || plan.grpcAgent) {
    helpers.push(
      helper(
        'agent',
        () => ownSpec('agent', plan, place, mesh, plan.sidecar === 'envoy' ? network() : undefined),
        async () => isServing(mesh.places.pidFile('agent', place.name, plan.namespace)),
      ),
    );
  }
  if (plan.sidecar === 'envoy') {
    helpers.push(helper('envoy', () => envoySpec(plan, place, mesh, folder), answersReady));
  }
  return { helpers, grpcBootstrap: plan.grpcAgent ? join(folder, bootstrapFileNames.grpc) : undefined };
}

/** @param network whose traffic is captured for the proxy, which is then seen on its socket of this machine. */
async function ownSpec(
  verb: 'sidecar' | 'agent',
  plan: WorkloadPlan,
  place: InstancePlace,
  mesh: MeshServices,
  network?: PodNetwork,
): Promise<ChildSpec> {
  const { namespace, serviceAccount, labels, name: workload } = plan;
  const pod = place.name;
  const adminSocket = network?.admin.handed;
  const subject = { namespace, serviceAccount, pod };
  const secret = verb === 'sidecar' ? await tokenUnlessKept(mesh, subject) : await mesh.joinToken(subject);
  return {
    command: proxyCommand(verb, mesh.places, {
      pod,
      namespace,
      workload,
      serviceAccount,
      labels,
      address: place.meshAddress,
      trustDomain: mesh.trustDomain,
      proxy: plan.proxy,
      hasToken: secret !== undefined,
      ...(adminSocket !== undefined && {
        adminAddress: adminSocket.address,
        interceptionMode: plan.capture.mode,
      }),
    }),
    env: {
      ...cleanEnvironment(mesh.environment, pathWithNode(mesh.environment.PATH)),
      ...proxyEnvironment,
      ...plan.proxy.env,
    },
    workingDirectory: process.cwd(),
    logPath: mesh.places.log(`${pod}.${verb}`),
    pidFile: mesh.places.pidFile(verb, pod, namespace),
    ...(secret !== undefined && { secret }),
    ...(adminSocket !== undefined && { sockets: [adminSocket] }),
  };
}

/** Whether the process that has written it is there: one that was killed leaves it behind. */
function isServing(pidFile: string): boolean {
  const pid = readPidFile(pidFile);
  return pid !== undefined && identifyProcess(pid) !== undefined;
}

async function envoySpec(
  plan: WorkloadPlan,
  place: InstancePlace,
  mesh: MeshServices,
  folder: string,
): Promise<ChildSpec> {
  const bootstrap = join(folder, bootstrapFileNames.envoy);
  const envoy = findEnvoy(mesh.environment);
  if (envoy === undefined) {
    throw new Error('no Envoy found: name one in HEDDLE_ENVOY, put it in PATH, or run npm run peers envoy');
  }
  await written(bootstrap);
  return {
    command: [envoy, '-c', bootstrap, ...envoyOptions(plan.proxy), '--disable-hot-restart'],
    env: { ...cleanEnvironment(mesh.environment, pathWithNode(mesh.environment.PATH)), ...plan.proxy.env },
    workingDirectory: process.cwd(),
    logPath: mesh.places.log(`${place.name}.envoy`),
  };
}

/** Where nobody says otherwise it has one thread, as ours; 0 is one for each processor, as Envoy has it without a word. */
function envoyOptions({ threads = 1, drainSeconds }: ProxyPlan): string[] {
  const concurrency = threads === 0 ? [] : ['--concurrency', String(threads)];
  return [...concurrency, '--drain-time-s', String(drainSeconds)];
}

/** The agent writes it before anything else; in the order of things it is there at once. */
async function written(file: string): Promise<void> {
  const deadline = performance.now() + 10_000;
  while (!existsSync(file)) {
    if (performance.now() > deadline) throw new Error(`its agent has not written ${file}`);
    await wait(50);
  }
}
