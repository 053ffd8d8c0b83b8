/** `envoy.filters.network.sni_cluster`: the name in the ClientHello is the name of the cluster. */
import { stateKeys } from './filter-state.ts';
import type { NetworkFilter } from './network-filter.ts';

export const sniCluster: NetworkFilter = {
  onConnection({ requestedServerName, state }) {
    if (requestedServerName !== '') {
      state.set(stateKeys.cluster, { text: requestedServerName, hashable: false });
    }
    return undefined;
  },
};
