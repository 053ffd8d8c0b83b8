/** What the runner is to run, worked out from the documents: plain values that can be compared. */

import type { LocalMeshSettings } from '#model/local-mesh.ts';
import type { Labels } from '#model/metadata.ts';
import type { ClaimRetention } from '#model/stateful-set.ts';
import type { VolumeMount } from '#model/volume.ts';
import type { ProbePlans } from '../probe/probe-plan.ts';
import type { CapturePlan } from './capture-plan.ts';
import type { JobPlan } from './job-plan.ts';
import type { LifecyclePlan } from './probe-plan.ts';
import type { ProxyPlan } from './proxy-plan.ts';
import type { VariablePlan } from './variable-plan.ts';
import type { VolumePlan } from './volume-plan.ts';

/** One container: a process of each instance. */
export interface ContainerPlan {
  readonly name: string;
  readonly image: string;
  /** Entrypoint and arguments. */
  readonly command: readonly string[];
  /** How many words of it, from the first, are those of the image: in the others variables are put in. */
  readonly imageWords: number;
  /** Absolute. */
  readonly workingDirectory: string;
  /** Of the image's mapping. */
  readonly env: Readonly<Record<string, string>>;
  /** Of the container: they win, the later ones over the earlier. */
  readonly variables: readonly VariablePlan[];
  readonly ports: readonly { readonly name?: string; readonly containerPort: number }[];
  /** Where there is none for it, a container is ready while its ports answer. */
  readonly probes: ProbePlans;
  readonly lifecycle: LifecyclePlan;
  readonly mounts: readonly VolumeMount[];
}

/** One that is done before the others start. */
export interface InitContainerPlan extends ContainerPlan {
  /** Whether it goes on beside them and ends after them (`restartPolicy: Always`), or has to end well before. */
  readonly staysRunning: boolean;
}

export interface WorkloadPlan {
  /** `namespace/name`. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly replicas: number;
  /** Of a Deployment: new instances start when the old ones are gone. */
  readonly recreates?: true;
  /** Of a StatefulSet: its instances are numbered from `start`, and `ordered` if one waits for the other. */
  readonly ordinals?: { readonly start: number; readonly ordered: boolean };
  /** Of a StatefulSet whose instances have claims of their own. */
  readonly claimRetention?: ClaimRetention;
  /** Of a Job: its instances run to their end, and `replicas` has no meaning. */
  readonly job?: JobPlan;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly serviceAccount: string;
  /** One after the other. */
  readonly initContainers: readonly InitContainerPlan[];
  readonly containers: readonly ContainerPlan[];
  readonly volumes: readonly VolumePlan[];
  readonly sidecar: 'heddle' | 'envoy' | 'none';
  /** Which of its connections the sidecar gets, where traffic is captured. */
  readonly capture: CapturePlan;
  /** How its sidecar runs. */
  readonly proxy: ProxyPlan;
  /** Whether the application speaks xDS itself (proxyless gRPC). */
  readonly grpcAgent: boolean;
  /** Time the application has to end by itself after SIGTERM. */
  readonly graceMs: number;
}

/** A port of a Service, as applications of the same namespace are told of it. */
export interface ServicePortPlan {
  readonly service: string;
  readonly namespace: string;
  readonly name?: string;
  readonly port: number;
  /** Where captured callers find it; absent: it is headless, or somewhere else. */
  readonly address?: string;
  /** Whether it is reached through the HTTP proxy by name; if not, through a listener of its own. */
  readonly http: boolean;
}

/** A port of an Istio `Gateway` that the ingress gateway serves. */
export interface GatewayPortPlan {
  readonly number: number;
  /** What takes connections there: plain requests, requests within TLS, or anything. */
  readonly scheme: 'http' | 'https' | 'tcp';
}

export interface MeshPlan {
  readonly name: string;
  readonly workloads: readonly WorkloadPlan[];
  readonly services: readonly ServicePortPlan[];
  /** In order of number, without repetition. */
  readonly gatewayPorts: readonly GatewayPortPlan[];
  /** Something to type that shows the mesh: path (and host) of the first route of the ingress. */
  readonly tryPath: string;
  readonly tryHost?: string;
  readonly settings: Pick<LocalMeshSettings, 'trustDomain' | 'ingress'>;
}

/**
 * Whether two plans of one workload need the same processes: how many there are, how they are replaced, which claims
 * stay and what is in files does not matter.
 */
export function sameProcesses(a: WorkloadPlan, b: WorkloadPlan): boolean {
  return processText(a) === processText(b);
}

function processText(plan: WorkloadPlan): string {
  const { replicas: _, recreates: __, claimRetention: ___, volumes, ...rest } = plan;
  return JSON.stringify({ ...rest, volumes: volumes.map(({ written }) => written) });
}
