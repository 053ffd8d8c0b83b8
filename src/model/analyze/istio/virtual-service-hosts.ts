/** Hosts of the mesh that several VirtualServices have (IST0109). */
import { coversHost } from '../../host-name.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asList, asTexts } from '../loose.ts';
import { type Message, message } from '../message.ts';
import type { World } from '../world.ts';
import { visibleTogether } from './visibility.ts';

interface Claim {
  readonly document: AnalysisDocument;
  /** Full name. */
  readonly host: string;
  readonly index: number;
}

export const conflictingHostsAnalyzer: Analyzer = {
  name: 'virtualservice.ConflictingMeshGatewayHostsAnalyzer',
  description: 'Hosts for which sidecars find several VirtualServices',
  codes: ['IST0109'],
  analyze(world) {
    const claims = world
      .istio('VirtualService')
      .filter(isOfMesh)
      .flatMap((one) => claimsOf(one, world));
    const byHost = Map.groupBy(claims, ({ host }) => host);
    const wildcards = [...byHost.keys()].filter((host) => host.startsWith('*'));
    const told = new Map<AnalysisDocument, Message>();
    for (const claim of claims) {
      const { document, host, index } = claim;
      if (told.has(document)) continue;
      const hosts = host.startsWith('*') ? wildcards.filter((wide) => overlap(wide, host)) : [host];
      const rivals = hosts
        .flatMap((one) => byHost.get(one) ?? [])
        .filter((one) => one.document !== document && visibleTogether(one.document, document));
      if (rivals.length === 0) continue;
      const others = [...new Set(rivals.map((one) => one.document.key))].join(', ');
      const text = `${others} has the host ${asTexts(document.spec.hosts)[index]} too: which of them holds is not said`;
      told.set(document, message('IST0109', document, ['spec', 'hosts', index], text, 'put them into one'));
    }
    return [...told.values()];
  },
};

function isOfMesh({ spec }: AnalysisDocument): boolean {
  const gateways = asList(spec.gateways);
  return gateways.length === 0 || gateways.includes('mesh');
}

function claimsOf(document: AnalysisDocument, world: World): Claim[] {
  return asTexts(document.spec.hosts).map((host, index) => ({
    ...{ document, index },
    host: world.fullName(host, document.namespace),
  }));
}

function overlap(a: string, b: string): boolean {
  return coversHost(a, b) || coversHost(b, a);
}
