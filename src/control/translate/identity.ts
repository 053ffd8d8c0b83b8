/** Who may answer for a service: the identities of its instances. */
import { selects } from '#model/metadata.ts';
import type { Service } from '#model/service.ts';
import { labelsOfMembers, serviceAccountOfGroup } from '#model/workload-group.ts';
import type { Instance } from '../store/instance.ts';
import type { ResourceIndex } from '../store/resource-index.ts';

/**
 * SPIFFE ids of the accounts that the service's workloads run as. Workloads and groups count besides instances,
 * so that one that comes or goes does not change the cluster.
 */
export function serviceIdentities(index: ResourceIndex, service: Service): readonly string[] {
  const { namespace = '' } = service.metadata;
  const { trustDomain } = index.settings;
  const accounts = accountsBehind(index, service);
  // Nobody is behind it: a name that no certificate carries, because an empty list would accept everybody.
  if (accounts.size === 0) return [`spiffe://${trustDomain}/ns/${namespace}/sa/`];
  return [...accounts].sort().map((account) => `spiffe://${trustDomain}/ns/${namespace}/sa/${account}`);
}

/** @param counts which instances count; absent: all */
export function accountsBehind(
  index: ResourceIndex,
  service: Service,
  counts: (instance: Instance) => boolean = () => true,
): ReadonlySet<string> {
  const { namespace = '' } = service.metadata;
  const { selector } = service.spec;
  const accounts = new Set<string>();
  if (Object.keys(selector).length === 0) return accounts;
  for (const { metadata, spec } of index.workloads) {
    const isBehind = metadata.namespace === namespace && selects(selector, spec.template.metadata.labels);
    if (isBehind) accounts.add(spec.template.spec.serviceAccountName);
  }
  for (const instance of index.instancesOf(service)) {
    if (instance.serviceAccount !== undefined && counts(instance)) accounts.add(instance.serviceAccount);
  }
  for (const { metadata, spec } of index.groups) {
    if (metadata.namespace === namespace && selects(selector, labelsOfMembers({ spec })))
      accounts.add(serviceAccountOfGroup({ spec }));
  }
  return accounts;
}
