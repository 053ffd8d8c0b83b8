/** Which clusters of a proxy need a Secret (`tls.credentialName` of a DestinationRule), and whether it may have it. */
import { create } from '@bufbuild/protobuf';
import type { Problem } from '#core/problem.ts';
import { type ClientTls, configMapPrefix } from '#model/client-tls.ts';
import type { DestinationRule } from '#model/destination-rule.ts';
import { keyOf } from '#model/kinds.ts';
import {
  type Cluster,
  Cluster_DiscoveryType,
  ClusterSchema,
} from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { Secret } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { ResourceIndex } from '../store/resource-index.ts';
import type { Found } from '../store/tls-secret.ts';
import { clientSecrets } from './gateway-secrets.ts';

/** A cluster that needs one. */
export interface CredentialUse {
  readonly cluster: string;
  readonly tls: ClientTls;
  readonly rule: DestinationRule;
}

export interface CredentialReader {
  readonly namespace: string;
  readonly isGateway: boolean;
}

export function credentialUse(
  cluster: string,
  tls: ClientTls | undefined,
  rule: DestinationRule | undefined,
): CredentialUse | undefined {
  const isOwn = tls?.mode === 'SIMPLE' || tls?.mode === 'MUTUAL';
  if (rule === undefined || !isOwn || tls.credentialName === undefined) return undefined;
  return { cluster, tls, rule };
}

/**
 * The clusters as one proxy gets them, and the secrets that go with them. What would have to go without is closed: it
 * has no endpoints, as nothing that was to be encrypted goes out in plain text.
 */
export function withCredentials(
  clusters: readonly Cluster[],
  uses: readonly CredentialUse[],
  reader: CredentialReader,
  index: ResourceIndex,
  problems: Problem[],
): { readonly clusters: readonly Cluster[]; readonly secrets: readonly Secret[] } {
  if (uses.length === 0) return { clusters, secrets: [] };
  const secrets = new Map<string, Secret>();
  const closed = new Set<string>();
  const told = new Set<string>();
  for (const { cluster, tls, rule } of uses) {
    const found = secretsFor(tls, rule, reader, index);
    if (found.ok) {
      for (const secret of found.value) secrets.set(secret.name, secret);
      continue;
    }
    closed.add(cluster);
    // A rule for an egress gateway is seen by sidecars too, which do not call its host themselves.
    const level = mayHave(tls, rule, reader) ? 'warning' : 'info';
    const message = `${rule.spec.host} is reached by nobody from here: ${found.reason}`;
    if (!told.has(message)) problems.push({ level, message, at: rule.origin.start, resource: keyOf(rule) });
    told.add(message);
  }
  return {
    clusters: clusters.map((cluster) => (closed.has(cluster.name) ? withoutEndpoints(cluster) : cluster)),
    secrets: [...secrets.values()],
  };
}

function secretsFor(
  tls: ClientTls,
  rule: DestinationRule,
  reader: CredentialReader,
  index: ResourceIndex,
): Found<readonly Secret[]> {
  if (mayHave(tls, rule, reader)) return clientSecrets(tls, reader.namespace, index);
  return {
    ok: false,
    reason: 'credentialName is for gateways, and for sidecars that a workloadSelector names',
  };
}

/** Sidecars have it only where the rule names them: else every one would ask for it (Istio). */
function mayHave(
  { credentialName }: ClientTls,
  { spec }: DestinationRule,
  reader: CredentialReader,
): boolean {
  const isForAll = credentialName?.startsWith(configMapPrefix) === true;
  return reader.isGateway || isForAll || spec.workloadSelector !== undefined;
}

function withoutEndpoints({ name, connectTimeout }: Cluster): Cluster {
  return create(ClusterSchema, {
    name,
    clusterDiscoveryType: { case: 'type', value: Cluster_DiscoveryType.STATIC },
    ...(connectTimeout !== undefined && { connectTimeout }),
  });
}
