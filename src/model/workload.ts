/** What makes instances of a pod template. */
import type { Deployment } from './deployment.ts';
import { type Job, jobLabels } from './job.ts';
import type { Labels } from './metadata.ts';
import type { StatefulSet } from './stateful-set.ts';

export type Workload = Deployment | StatefulSet | Job;

const workloadKinds: readonly string[] = ['Deployment', 'StatefulSet', 'Job'] satisfies Workload['kind'][];

export function isWorkload(resource: { readonly kind: string }): resource is Workload {
  return workloadKinds.includes(resource.kind);
}

/** Labels of its Pods: those of the template, and of a Job those that it selects by. */
export function labelsOfPods({ kind, metadata, spec }: Workload): Labels {
  const { labels } = spec.template.metadata;
  return kind === 'Job' ? { ...labels, ...jobLabels(metadata.name) } : labels;
}

/** By which labels it knows its Pods. */
export function selectorOf(workload: Workload): Labels {
  return workload.kind === 'Job' ? jobLabels(workload.metadata.name) : workload.spec.selector.matchLabels;
}
