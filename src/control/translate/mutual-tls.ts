/** Which traffic is mutual TLS: PeerAuthentication on the side that is called, and whether an instance can do it. */

import type { Labels } from '#model/metadata.ts';
import { selects } from '#model/metadata.ts';
import type { MutualTlsMode, PeerAuthentication } from '#model/peer-authentication.ts';
import type { ServicePort } from '#model/service.ts';
import type { WorkloadEntrySpec } from '#model/workload-entry.ts';
import type { Instance } from '../store/instance.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';

import { endpointPortOf } from './entry-port.ts';

export type ServerTlsMode = Exclude<MutualTlsMode, 'UNSET'>;

/**
 * The mode of one port of a workload: its own policy first, then its namespace's, then the mesh's,
 * then PERMISSIVE. In one scope the oldest wins, of one age the first by name.
 *
 * @param port of the workload, not of its service; undefined: any that has no mode of its own.
 */
export function serverTlsMode(
  index: ResourceIndex,
  namespace: string,
  labels: Labels,
  port: number | undefined,
): ServerTlsMode {
  const own = ownPolicy(index, namespace, labels);
  const scopes = [
    own,
    index.peerAuthentications.find(
      (policy) => policy.metadata.namespace === namespace && !isForWorkloads(policy),
    ),
    index.peerAuthentications.find(
      (policy) => policy.metadata.namespace === index.settings.rootNamespace && !isForWorkloads(policy),
    ),
  ];
  const ofPort = port === undefined ? undefined : own?.spec.portLevelMtls[port]?.mode;
  const modes = [ofPort, ...scopes.map((policy) => policy?.spec.mtls?.mode)];
  return modes.find((mode): mode is ServerTlsMode => mode !== undefined && mode !== 'UNSET') ?? 'PERMISSIVE';
}

/** Ports that a policy of the workload itself names, in order. */
export function portsWithMode(index: ResourceIndex, namespace: string, labels: Labels): readonly number[] {
  const ports = Object.keys(ownPolicy(index, namespace, labels)?.spec.portLevelMtls ?? {});
  return ports.map(Number).sort((a, b) => a - b);
}

function ownPolicy(index: ResourceIndex, namespace: string, labels: Labels): PeerAuthentication | undefined {
  return index.peerAuthentications.find(
    (policy) =>
      policy.metadata.namespace === namespace &&
      isForWorkloads(policy) &&
      selects(selectorOf(policy), labels),
  );
}

function selectorOf(policy: PeerAuthentication): Labels {
  return policy.spec.selector?.matchLabels ?? {};
}

function isForWorkloads(policy: PeerAuthentication): boolean {
  return Object.keys(selectorOf(policy)).length > 0;
}

/** Whether something at the instance terminates mutual TLS on `port`, as callers reach it. */
export function acceptsMutualTls(index: ResourceIndex, instance: Instance, port: number): boolean {
  const { namespace, labels } = instance;
  if (!instance.speaksTls) return false;
  return serverTlsMode(index, namespace, labels, instance.policyPort(port)) !== 'DISABLE';
}

/** The same of an endpoint that a ServiceEntry names: its label says so, or that it has an account (Istio). */
export function endpointAcceptsMutualTls(
  index: ResourceIndex,
  { metadata, entry }: MeshService,
  { labels, serviceAccount }: WorkloadEntrySpec,
  port: number,
): boolean {
  if (entry?.location !== 'MESH_INTERNAL') return false;
  const mode = labels[tlsModeLabel] ?? (serviceAccount === undefined ? 'disabled' : 'istio');
  return mode === 'istio' && serverTlsMode(index, metadata.namespace ?? '', labels, port) !== 'DISABLE';
}

/** Where it cannot be chosen by endpoint: whether all of them do. Of a ServiceEntry without any nobody knows. */
export function acceptsMutualTlsThroughout(
  index: ResourceIndex,
  service: MeshService,
  port: ServicePort,
): boolean {
  const { entry } = service;
  const instances = index.instancesOf(service);
  if (entry !== undefined && entry.endpoints.length === 0 && instances.length === 0) return false;
  const byInstances = instances.every((instance) => {
    const target = instance.portOf(port);
    return target === undefined || acceptsMutualTls(index, instance, target);
  });
  const byEndpoints = (entry?.endpoints ?? []).every((endpoint) =>
    endpointAcceptsMutualTls(index, service, endpoint, endpointPortOf(endpoint, port)),
  );
  return byInstances && byEndpoints;
}

const tlsModeLabel = 'security.istio.io/tlsMode';
