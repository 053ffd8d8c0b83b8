/** Networks of a mesh whose endpoints come from clusters that nobody knows (IST0126). */
import type { Analyzer } from '../analyzer.ts';
import { asObject, asObjects, asText } from '../loose.ts';
import { type Message, message } from '../message.ts';

export const meshNetworksAnalyzer: Analyzer = {
  name: 'multicluster.MeshNetworksAnalyzer',
  description: 'Registries of meshNetworks that no remote secret is for',
  codes: ['IST0126'],
  analyze({ meshNetworks, documents }) {
    if (meshNetworks === undefined) return [];
    const known = documents
      .filter(({ kind, labels }) => kind === 'Secret' && labels['istio/multiCluster'] === 'true')
      .flatMap(({ raw }) => [...Object.keys(asObject(raw.data)), ...Object.keys(asObject(raw.stringData))]);
    const registries = ['Kubernetes', ...known];
    const { document, networks } = meshNetworks;
    return Object.entries(asObject(networks.networks ?? networks)).flatMap(([network, value]) =>
      asObjects(asObject(value).endpoints).flatMap(({ fromRegistry }): Message[] => {
        const registry = asText(fromRegistry);
        if (registry === undefined || registries.includes(registry)) return [];
        const text = `endpoints of the network ${network} come from ${registry}, and no remote secret is for it`;
        return [message('IST0126', document, ['data', 'meshNetworks'], text)];
      }),
    );
  },
};
