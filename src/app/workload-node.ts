/** What a data plane of another make says about itself: Istio's node id and metadata. */

/** One instance of a workload, and the control plane it belongs to. */
export interface WorkloadPlace extends WorkloadRegistration {
  /** Of the Pod, such as `reviews-v1-1`. */
  readonly pod: string;
  readonly namespace: string;
  /** Of the Deployment, such as `reviews-v1`. */
  readonly workload: string;
  readonly serviceAccount: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Mesh address of the instance. */
  readonly address: string;
  readonly clusterId: string;
  readonly meshId: string;
  /** How its traffic comes to its proxy; absent: by its own will. */
  readonly interceptionMode?: InterceptionMode;
}

/** How the traffic of a workload is made to pass its proxy (Istio's `interceptionMode`). */
export type InterceptionMode = 'NONE' | 'REDIRECT' | 'TPROXY';

/** What an instance that is no Pod says, so that the control plane knows of it: `docs/registration.md`. */
export interface WorkloadRegistration {
  /** Service that it is an instance of; not together with `group`. */
  readonly registration?: ServiceRegistration;
  /** WorkloadGroup that it is a member of. */
  readonly group?: string;
  /** Where others reach it; the first is bound and registered. Absent: the mesh address. */
  readonly instanceIps?: readonly string[];
  /** Whether what comes to it comes to ports of its host; absent: as `interceptionMode` says. */
  readonly inbound?: 'BIND';
  /** Whether its sidecar says how its application is: before it has, it is no endpoint. */
  readonly health?: 'REPORTED';
}

export interface ServiceRegistration {
  /** Name in the namespace of the instance. */
  readonly service: string;
  readonly ports: readonly RegisteredPort[];
}

export interface RegisteredPort {
  /** That of the port of the service, such as `http`. */
  readonly name: string;
  /** Where the application listens. */
  readonly number: number;
  /** Where others reach it, at the first of `instanceIps`. */
  readonly hostPort: number;
}

/** JSON form of `envoy.config.core.v3.Node`. */
export interface NodeDocument {
  readonly id: string;
  readonly cluster: string;
  /** Nowhere in particular; gRPC insists on the field. */
  readonly locality: object;
  readonly metadata: Readonly<Record<string, unknown>>;
}

/** @param generator `grpc` for a client that is its own proxy. */
export function workloadNode(place: WorkloadPlace, generator?: 'grpc'): NodeDocument {
  const { pod, namespace, workload, serviceAccount, labels, address, clusterId, meshId } = place;
  return {
    id: `sidecar~${address}~${pod}.${namespace}~${namespace}.svc.cluster.local`,
    cluster: `${labels.app ?? workload}.${namespace}`,
    locality: {},
    metadata: {
      ...(generator !== undefined && { GENERATOR: generator }),
      INTERCEPTION_MODE: place.interceptionMode ?? 'NONE',
      NAMESPACE: namespace,
      NAME: pod,
      WORKLOAD_NAME: workload,
      SERVICE_ACCOUNT: serviceAccount,
      LABELS: labels,
      CLUSTER_ID: clusterId,
      MESH_ID: meshId,
      // Who is his own proxy comes without proof; the agent beside him registers.
      ...(generator === undefined && registrationMetadata(place)),
    },
  };
}

/** The names are Istio's, where it has one. */
export function registrationMetadata({
  registration,
  group,
  instanceIps,
  inbound,
  health,
}: WorkloadRegistration): object {
  return {
    ...(instanceIps !== undefined && { INSTANCE_IPS: instanceIps.join(',') }),
    ...(group !== undefined && { AUTO_REGISTER_GROUP: group }),
    ...(registration !== undefined && { HEDDLE_REGISTRATION: registration }),
    ...(inbound !== undefined && { HEDDLE_INBOUND: inbound }),
    ...(health !== undefined && { HEDDLE_HEALTH: health }),
  };
}
