/** Composition root of `heddle bootstrap`: from an instance of a running mesh to what another data plane reads. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BootstrapOptions } from '#cli/command/bootstrap.ts';
import { CliError, EXIT_OK } from '#cli/exit.ts';
import { type FoundMesh, findMesh, type MeshInstance } from '#cli/mesh-state.ts';
import { didYouMean } from '#core/did-you-mean.ts';
import { agentSocketPath } from './agent-folder.ts';
import { envoyBootstrap } from './envoy-bootstrap.ts';
import { grpcBootstrap } from './grpc-bootstrap.ts';
import { MeshPlaces, ports } from './up/mesh-places.ts';
import type { WorkloadPlace } from './workload-node.ts';

/** Prints it and resolves to the exit code; rejects with a {@link CliError} where there is no such instance. */
export async function runBootstrap(options: BootstrapOptions): Promise<number> {
  const { terminal } = options;
  const found = findMesh(options);
  if (found.mesh.captured) {
    throw new CliError(
      `the mesh ${found.mesh.name} is in namespaces of its own: nothing on this machine reaches it`,
      {
        advice: 'Run it without capture: heddle up --capture never',
      },
    );
  }
  const instance = instanceCalled(options.workload, found);
  const places = new MeshPlaces(found.stateDirectory, new URL(found.mesh.apiUrl).hostname);
  const folder = places.instanceDirectory(instance.name, instance.namespace);
  const place = placeOf(instance, found);
  if (!instance.agent) {
    const where = 'sidecar: envoy of the LocalMesh, or the annotation inject.istio.io/templates: grpc-agent';
    terminal.err(
      `${terminal.errColour.warn('‼')} no agent keeps certificates for ${instance.name}: set ${where}`,
    );
  }
  const document =
    options.for === 'envoy'
      ? envoyBootstrap({
          ...place,
          secureXds: `${places.controlAddress}:${ports.secureXds}`,
          rootCertificate: places.rootCertificate,
          sdsSocket: agentSocketPath(folder),
        })
      : grpcBootstrap({
          ...place,
          plaintextXds: `${places.controlAddress}:${ports.xds}`,
          certificateFolder: folder,
        });
  terminal.out(JSON.stringify(document, undefined, 2));
  return EXIT_OK;
}

function instanceCalled(name: string, { mesh }: FoundMesh): MeshInstance {
  const { instances } = mesh;
  const called = (of: (instance: MeshInstance) => string): MeshInstance | undefined =>
    instances.find((instance) => name === of(instance) || name === `${of(instance)}.${instance.namespace}`);
  const found = called((instance) => instance.name) ?? called((instance) => instance.workload);
  if (found !== undefined) return found;
  const known = instances.flatMap((instance) => [instance.name, instance.workload]);
  const hint = didYouMean(name, known);
  throw new CliError(`the mesh ${mesh.name} has no workload ${name}`, {
    advice: hint ?? `It has: ${[...new Set(instances.map(({ workload }) => workload))].join(', ')}`,
  });
}

/** The account and the labels stand in the Pod that the runner tells the control plane about. */
function placeOf(
  { name, namespace, workload, meshAddress }: MeshInstance,
  { stateDirectory, mesh }: FoundMesh,
): WorkloadPlace {
  const path = join(stateDirectory, 'pods', `${namespace}.${name}.json`);
  if (!existsSync(path)) {
    throw new CliError(`${name} is not running`, { advice: `Is the mesh ${mesh.name} still up?` });
  }
  const pod = JSON.parse(readFileSync(path, 'utf8')) as {
    readonly metadata: { readonly labels: Readonly<Record<string, string>> };
    readonly spec: { readonly serviceAccountName: string };
  };
  return {
    pod: name,
    namespace,
    workload,
    serviceAccount: pod.spec.serviceAccountName,
    labels: pod.metadata.labels,
    address: meshAddress,
    clusterId: 'Kubernetes',
    meshId: 'cluster.local',
  };
}
