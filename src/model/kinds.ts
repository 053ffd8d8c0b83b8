/** Every kind that this build reads. */
import { type ConfigMap, configMapKind, type Secret, secretKind } from './config-map.ts';
import { type Deployment, deploymentKind } from './deployment.ts';
import { type DestinationRule, destinationRuleKind } from './destination-rule.ts';
import { type EndpointSlice, endpointSliceKind } from './endpoint-slice.ts';
import { type EnvoyFilter, envoyFilterKind } from './envoy-filter.ts';
import { type Gateway, gatewayKind } from './gateway.ts';
import { type Ingress, ingressKind } from './ingress.ts';
import { type Job, jobKind } from './job.ts';
import type { KindDefinition } from './kind.ts';
import { type LocalMesh, localMeshKind } from './local-mesh.ts';
import { type Namespace, namespaceKind } from './namespace.ts';
import { type Node, nodeKind } from './node.ts';
import { type PeerAuthentication, peerAuthenticationKind } from './peer-authentication.ts';
import { type PersistentVolumeClaim, persistentVolumeClaimKind } from './persistent-volume-claim.ts';
import { type Pod, podKind } from './pod.ts';
import { type ProxyConfig, proxyConfigKind } from './proxy-config.ts';
import { type ResiliencePolicy, resiliencePolicyKind } from './resilience-policy.ts';
import { type Service, serviceKind } from './service.ts';
import { type ServiceAccount, serviceAccountKind } from './service-account.ts';
import { type ServiceEntry, serviceEntryKind } from './service-entry.ts';
import { type Sidecar, sidecarKind } from './sidecar.ts';
import { type StatefulSet, statefulSetKind } from './stateful-set.ts';
import { type VirtualService, virtualServiceKind } from './virtual-service.ts';
import { type WorkloadEntry, workloadEntryKind } from './workload-entry.ts';
import { type WorkloadGroup, workloadGroupKind } from './workload-group.ts';

export interface ResourceByKind {
  readonly Namespace: Namespace;
  readonly Node: Node;
  readonly Service: Service;
  readonly EndpointSlice: EndpointSlice;
  readonly ServiceAccount: ServiceAccount;
  readonly ConfigMap: ConfigMap;
  readonly Secret: Secret;
  readonly PersistentVolumeClaim: PersistentVolumeClaim;
  readonly Deployment: Deployment;
  readonly StatefulSet: StatefulSet;
  readonly Job: Job;
  readonly Pod: Pod;
  readonly Gateway: Gateway;
  readonly Ingress: Ingress;
  readonly VirtualService: VirtualService;
  readonly DestinationRule: DestinationRule;
  readonly ServiceEntry: ServiceEntry;
  readonly Sidecar: Sidecar;
  readonly ProxyConfig: ProxyConfig;
  readonly PeerAuthentication: PeerAuthentication;
  readonly WorkloadEntry: WorkloadEntry;
  readonly WorkloadGroup: WorkloadGroup;
  readonly ResiliencePolicy: ResiliencePolicy;
  readonly EnvoyFilter: EnvoyFilter;
  readonly LocalMesh: LocalMesh;
}

export type Kind = keyof ResourceByKind;
export type Resource = ResourceByKind[Kind];

export const kinds: { readonly [K in Kind]: KindDefinition<ResourceByKind[K]> } = {
  Namespace: namespaceKind,
  Node: nodeKind,
  Service: serviceKind,
  EndpointSlice: endpointSliceKind,
  ServiceAccount: serviceAccountKind,
  ConfigMap: configMapKind,
  Secret: secretKind,
  PersistentVolumeClaim: persistentVolumeClaimKind,
  Deployment: deploymentKind,
  StatefulSet: statefulSetKind,
  Job: jobKind,
  Pod: podKind,
  Gateway: gatewayKind,
  Ingress: ingressKind,
  VirtualService: virtualServiceKind,
  DestinationRule: destinationRuleKind,
  ServiceEntry: serviceEntryKind,
  Sidecar: sidecarKind,
  ProxyConfig: proxyConfigKind,
  PeerAuthentication: peerAuthenticationKind,
  WorkloadEntry: workloadEntryKind,
  WorkloadGroup: workloadGroupKind,
  ResiliencePolicy: resiliencePolicyKind,
  EnvoyFilter: envoyFilterKind,
  LocalMesh: localMeshKind,
};

/** `Kind namespace/name`, or `Kind name` for kinds without namespace: unique in a mesh. */
export function resourceKey(kind: string, name: string, namespace?: string): string {
  return namespace === undefined ? `${kind} ${name}` : `${kind} ${namespace}/${name}`;
}

/** Asked for again with every change of a mesh: a string that is known is not put together anew. */
const keys = new WeakMap<Resource, string>();

export function keyOf(resource: Resource): string {
  const known = keys.get(resource);
  if (known !== undefined) return known;
  const key = resourceKey(resource.kind, resource.metadata.name, resource.metadata.namespace);
  keys.set(resource, key);
  return key;
}
