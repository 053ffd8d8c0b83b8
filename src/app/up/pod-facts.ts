/** What an instance says of itself to its containers. */
import { hubAddresses } from '#host/network/addresses.ts';
import type { PodFacts } from './expand.ts';
import type { InstancePlace } from './instance.ts';
import type { MeshServices } from './mesh-services.ts';
import type { WorkloadPlan } from './workload-plan.ts';

/** Where all of a mesh on one machine is. */
const LOOPBACK = '127.0.0.1';

export function podFactsOf(
  { namespace, labels, annotations: written, serviceAccount }: WorkloadPlan,
  { name, uid, meshAddress, completionIndex: index }: InstancePlace,
  { network, nodeName }: Pick<MeshServices, 'network' | 'nodeName'>,
): PodFacts {
  const annotations = {
    ...written,
    ...(index !== undefined && { 'batch.kubernetes.io/job-completion-index': String(index) }),
  };
  const hostIp = network === undefined ? LOOPBACK : hubAddresses.ipv4;
  return { name, namespace, uid, labels, annotations, serviceAccount, nodeName, hostIp, podIp: meshAddress };
}
