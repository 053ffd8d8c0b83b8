/** What the runner is to run, worked out from the documents: plain values that can be compared. */

import type { LocalMeshSettings } from '#model/local-mesh.ts';
import type { Labels } from '#model/metadata.ts';

/** One container: a process of each instance. */
export interface ContainerPlan {
  readonly name: string;
  readonly image: string;
  /** Entrypoint and arguments. */
  readonly command: readonly string[];
  /** Absolute. */
  readonly workingDirectory: string;
  /** Of the image's mapping, then of the container: the latter has won. */
  readonly env: Readonly<Record<string, string>>;
  readonly ports: readonly { readonly name?: string; readonly containerPort: number }[];
}

export interface WorkloadPlan {
  /** `namespace/name` of the Deployment. */
  readonly key: string;
  readonly name: string;
  readonly namespace: string;
  readonly replicas: number;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly serviceAccount: string;
  readonly containers: readonly ContainerPlan[];
  readonly sidecar: 'heddle' | 'envoy' | 'none';
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
  /** Whether it is reached through the HTTP proxy by name; if not, through a listener of its own. */
  readonly http: boolean;
}

/** A port of an Istio `Gateway` that the ingress gateway serves. */
export interface GatewayPortPlan {
  readonly number: number;
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

/** Whether two plans of one workload need different processes; a different `replicas` does not. */
export function sameProcesses(a: WorkloadPlan, b: WorkloadPlan): boolean {
  return JSON.stringify({ ...a, replicas: 0 }) === JSON.stringify({ ...b, replicas: 0 });
}
