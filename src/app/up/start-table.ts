/** The table that ends the start, and the line to try. */
import type { MeshInstance, MeshJob } from '#cli/mesh-state.ts';
import { table } from '#cli/render/table.ts';
import type { MeshPlan } from './workload-plan.ts';

/** One row a workload: WORKLOAD READY ADDRESS SIDECAR VERSION; a Job says how far it is. */
export function startTable(
  instances: readonly MeshInstance[],
  gateways: readonly MeshInstance[],
  jobs: readonly MeshJob[],
): string[] {
  const groups = Map.groupBy(
    [...gateways, ...instances],
    ({ namespace, workload }) => `${namespace}/${workload}`,
  );
  const rows = [...groups.values()].map((group) => {
    const [first] = group;
    const ready = group.filter((instance) => instance.ready).length;
    const job = jobs.find(
      ({ name, namespace }) => name === first!.workload && namespace === first!.namespace,
    );
    return [
      workloadName(first!),
      job?.state ?? `${ready}/${group.length}`,
      addresses(group),
      sidecarName(first!),
      first!.version === '' ? '-' : first!.version,
    ];
  });
  return table(['WORKLOAD', 'READY', 'ADDRESS', 'SIDECAR', 'VERSION'], rows);
}

function workloadName({ namespace, workload }: MeshInstance): string {
  return namespace === 'default' ? workload : `${workload}.${namespace}`;
}

/** All addresses; the ports once, after the last. */
function addresses(group: readonly MeshInstance[]): string {
  const ports = group[0]!.ports.join(',');
  return group.map(({ meshAddress }) => meshAddress).join(', ') + (ports === '' ? '' : `:${ports}`);
}

function sidecarName({ sidecar, agent }: MeshInstance): string {
  if (sidecar === 'none') return agent ? 'none (proxyless gRPC)' : 'none';
  return agent && sidecar === 'heddle' ? 'heddle + proxyless gRPC' : sidecar;
}

/** A command that shows the mesh at work. */
export function tryLine(
  ingressUrl: string,
  { tryPath, tryHost }: Pick<MeshPlan, 'tryPath' | 'tryHost'>,
): string {
  const host = tryHost === undefined ? '' : `-H 'Host: ${tryHost}' `;
  return `curl ${host}${ingressUrl}${tryPath}`;
}
