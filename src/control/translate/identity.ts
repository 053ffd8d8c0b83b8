/** Who may answer for a service: the identities of its instances, and of ServiceEntries what they say. */
import { type Labels, selects } from '#model/metadata.ts';
import { labelsOfMembers, serviceAccountOfGroup } from '#model/workload-group.ts';
import type { Instance } from '../store/instance.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';

/**
 * SPIFFE ids of the accounts that the service's workloads run as, and `subjectAltNames` of a ServiceEntry. Workloads
 * and groups count besides instances, so that one that comes or goes does not change the cluster.
 */
export function serviceIdentities(index: ResourceIndex, service: MeshService): readonly string[] {
  const { namespace = '' } = service.metadata;
  const { endpoints = [], subjectAltNames = [] } = service.entry ?? {};
  const { trustDomain, trustDomainAliases } = index.settings;
  const domains = [trustDomain, ...trustDomainAliases];
  const entered = endpoints.flatMap(({ serviceAccount }) => serviceAccount ?? []);
  const accounts = new Set([...accountsBehind(index, service), ...entered]);
  // Nobody is behind it: a name that no certificate carries, because an empty list would accept everybody.
  if (accounts.size === 0 && subjectAltNames.length === 0)
    return [`spiffe://${trustDomain}/ns/${namespace}/sa/`];
  const known = domains.flatMap((domain) =>
    [...accounts].map((account) => `spiffe://${domain}/ns/${namespace}/sa/${account}`),
  );
  return [...new Set([...known, ...subjectAltNames])].sort();
}

/** @param counts which instances count; absent: all */
export function accountsBehind(
  index: ResourceIndex,
  service: MeshService,
  counts: (instance: Instance) => boolean = () => true,
): ReadonlySet<string> {
  const { namespace = '' } = service.metadata;
  const { selector } = service.spec;
  const accounts = new Set<string>();
  // What selects nothing may have instances all the same, by its slices.
  const selectsAny = Object.keys(selector).length > 0;
  const isBehind = (of: string | undefined, labels: Labels): boolean =>
    selectsAny && of === namespace && selects(selector, labels);
  for (const { metadata, spec } of index.workloads) {
    if (isBehind(metadata.namespace, spec.template.metadata.labels))
      accounts.add(spec.template.spec.serviceAccountName);
  }
  for (const instance of index.instancesOf(service)) {
    if (instance.serviceAccount !== undefined && counts(instance)) accounts.add(instance.serviceAccount);
  }
  for (const { metadata, spec } of index.groups) {
    if (isBehind(metadata.namespace, labelsOfMembers({ spec })))
      accounts.add(serviceAccountOfGroup({ spec }));
  }
  return accounts;
}
