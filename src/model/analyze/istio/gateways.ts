/** Gateways: the workloads they are for (IST0101), their ports (IST0162), and each other (IST0145). */
import type { Labels } from '../../metadata.ts';
import { selects } from '../../metadata.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asLabels, asNumber, asObjects, asTexts, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';
import type { World } from '../world.ts';

export const gatewayPortAnalyzer: Analyzer = {
  name: 'gateway.IngressGatewayPortAnalyzer',
  description:
    'Gateways that no workload serves, or on ports that the Service of their workload does not have',
  codes: ['IST0101', 'IST0162'],
  analyze: (world) =>
    world.istio('Gateway').flatMap((gateway) => {
      const selector = asLabels(gateway.spec.selector);
      const pods = world.selected(selector);
      if (pods.length > 0) return portMessages(gateway, pods, world);
      if (world.selectsIngress(selector)) return [];
      return [
        message('IST0101', gateway, ['spec', 'selector'], 'selects no workload that could be a gateway'),
      ];
    }),
};

function portMessages(
  gateway: AnalysisDocument,
  pods: readonly { readonly namespace: string; readonly labels: Labels }[],
  world: World,
): Message[] {
  const services = world.services.filter(({ namespace, spec }) => {
    const selector = asLabels(spec.selector);
    if (Object.keys(selector).length === 0) return false;
    return pods.some((pod) => pod.namespace === namespace && selects(selector, pod.labels));
  });
  if (services.length === 0) return [];
  const ports = services.flatMap(({ spec }) =>
    asObjects(spec.ports).flatMap(({ port, targetPort }) => [asNumber(port), asNumber(targetPort)]),
  );
  return asObjects(gateway.spec.servers).flatMap((server, index) => {
    const number = asNumber(valueAt(server, 'port', 'number'));
    if (number === undefined || ports.includes(number)) return [];
    const names = services.map(({ key }) => key).join(', ');
    const text = `nobody gets through to port ${number}: ${names} does not have it`;
    return [message('IST0162', gateway, ['spec', 'servers', index, 'port', 'number'], text)];
  });
}

export const conflictingGatewayAnalyzer: Analyzer = {
  name: 'gateway.ConflictingGatewayAnalyzer',
  description: 'Gateways that say different things of one host and port of the same workloads',
  codes: ['IST0145'],
  analyze(world) {
    const claims = world.istio('Gateway').flatMap(claimsOf);
    const contested = [...Map.groupBy(claims, ({ place }) => place).values()]
      .map((same) => Map.groupBy(same, ({ gateway }) => gateway))
      .filter((byGateway) => byGateway.size > 1);
    const told = new Map<AnalysisDocument, Message>();
    for (const byGateway of contested) {
      for (const [gateway, own] of byGateway) {
        const { host, port, path } = own[0]!;
        const others = [...byGateway.keys()].filter((one) => one !== gateway).map(({ key }) => key);
        const text = `${others.join(', ')} has the host ${host} on port ${port} of the same workloads too`;
        if (!told.has(gateway)) told.set(gateway, message('IST0145', gateway, path, text));
      }
    }
    return [...told.values()];
  },
};

interface Claim {
  readonly gateway: AnalysisDocument;
  readonly host: string;
  readonly port: number;
  readonly path: readonly (string | number)[];
  /** Equal where two claims are of one thing. */
  readonly place: string;
}

function claimsOf(gateway: AnalysisDocument): Claim[] {
  const selector = Object.entries(asLabels(gateway.spec.selector)).sort();
  return asObjects(gateway.spec.servers).flatMap((server, s) => {
    const port = asNumber(valueAt(server, 'port', 'number'));
    if (port === undefined) return [];
    return asTexts(server.hosts).map((host, h) => ({
      ...{ gateway, host, port, path: ['spec', 'servers', s, 'hosts', h] },
      place: JSON.stringify([selector, port, server.bind, ownHost(host, gateway.namespace)]),
    }));
  });
}

/** With the namespace that `.` stands for; `*` is any, as is none. */
function ownHost(host: string, namespace: string): string {
  if (host.startsWith('./')) return `${namespace}${host.slice(1)}`;
  return host.includes('/') ? host : `*/${host}`;
}
