/** The workload a pod belongs to, under the names that metrics and dashboards know (Istio's canonical service). */
import type { Labels } from '#model/metadata.ts';
import type { Pod } from '#model/pod.ts';
import type { Instance } from '../store/instance.ts';
import type { ResourceIndex } from '../store/resource-index.ts';

export interface Workload {
  readonly name: string;
  readonly namespace: string;
  readonly canonicalName: string;
  readonly canonicalRevision: string;
  readonly app: string;
  readonly version: string;
  readonly cluster: string;
  readonly instance: string;
}

/** The name that Istio's clusters carry where nobody chose one. */
export const defaultClusterId = 'Kubernetes';

export function workloadOf(pod: Pod, index: ResourceIndex, cluster: string): Workload {
  const { labels, namespace = '', name: instance } = pod.metadata;
  return describeWorkload(
    index.ownerOf(pod)?.metadata.name ?? instance,
    namespace,
    labels,
    cluster,
    instance,
  );
}

export function workloadOfInstance(
  { workload, namespace, labels, name }: Instance,
  cluster: string = defaultClusterId,
): Workload {
  return describeWorkload(workload, namespace, labels, cluster, name);
}

export function describeWorkload(
  name: string,
  namespace: string,
  labels: Labels,
  cluster: string,
  instance: string,
): Workload {
  return {
    name,
    namespace,
    canonicalName:
      labels['service.istio.io/canonical-name'] ?? labels['app.kubernetes.io/name'] ?? labels.app ?? name,
    canonicalRevision:
      labels['service.istio.io/canonical-revision'] ??
      labels['app.kubernetes.io/version'] ??
      labels.version ??
      'latest',
    app: labels.app ?? '',
    version: labels.version ?? '',
    cluster,
    instance,
  };
}
