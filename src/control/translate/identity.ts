/** Who may answer for a service: the identities of its instances. */
import { selects } from '#model/metadata.ts';
import type { Service } from '#model/service.ts';
import { labelsOfMembers, serviceAccountOfGroup } from '#model/workload-group.ts';
import type { ResourceIndex } from '../store/resource-index.ts';

/**
 * SPIFFE ids of the accounts that the service's workloads run as. Workloads and groups count besides instances,
 * so that one that comes or goes does not change the cluster.
 */
export function serviceIdentities(index: ResourceIndex, service: Service): readonly string[] {
  const { namespace = '' } = service.metadata;
  const { selector } = service.spec;
  const accounts = new Set<string>();
  if (Object.keys(selector).length > 0) {
    for (const { metadata, spec } of index.workloads) {
      const isBehind = metadata.namespace === namespace && selects(selector, spec.template.metadata.labels);
      if (isBehind) accounts.add(spec.template.spec.serviceAccountName);
    }
    for (const { serviceAccount } of index.instancesOf(service)) {
      if (serviceAccount !== undefined) accounts.add(serviceAccount);
    }
    for (const { metadata, spec } of index.groups) {
      if (metadata.namespace === namespace && selects(selector, labelsOfMembers({ spec })))
        accounts.add(serviceAccountOfGroup({ spec }));
    }
  }
  const { trustDomain } = index.settings;
  // Nobody is behind it: a name that no certificate carries, because an empty list would accept everybody.
  if (accounts.size === 0) return [`spiffe://${trustDomain}/ns/${namespace}/sa/`];
  return [...accounts].sort().map((account) => `spiffe://${trustDomain}/ns/${namespace}/sa/${account}`);
}
