/** Where VirtualServices send to: hosts, ports (IST0101, 0112) and subsets (IST0101) that have to be there. */
import { didYouMean } from '#core/did-you-mean.ts';
import { coversHost } from '../../host-name.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asNumber, asObject, asObjects, asText, type Raw, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';
import type { World } from '../world.ts';
import { suggestHost } from './destination-rules.ts';

interface Destination {
  readonly raw: Raw;
  readonly path: readonly (string | number)[];
}

/** Of routes and mirrors, of HTTP, TLS and TCP. */
function destinationsOf({ spec }: AnalysisDocument): readonly Destination[] {
  return ['http', 'tls', 'tcp'].flatMap((protocol) =>
    asObjects(spec[protocol]).flatMap((route, r) => {
      const path = ['spec', protocol, r];
      const routed = asObjects(route.route).map(({ destination }, index) => ({
        raw: asObject(destination),
        path: [...path, 'route', index, 'destination'],
      }));
      const mirrors = asObjects(route.mirrors).map(({ destination }, index) => ({
        raw: asObject(destination),
        path: [...path, 'mirrors', index, 'destination'],
      }));
      const mirror =
        route.mirror === undefined ? [] : [{ raw: asObject(route.mirror), path: [...path, 'mirror'] }];
      return [...routed, ...mirror, ...mirrors];
    }),
  );
}

export const destinationHostAnalyzer: Analyzer = {
  name: 'virtualservice.DestinationHostAnalyzer',
  description: 'Routes to hosts and ports that the mesh does not have',
  codes: ['IST0101', 'IST0112'],
  analyze(world) {
    if (world.hasNoHosts) return [];
    return world
      .istio('VirtualService')
      .flatMap((service) => destinationsOf(service).flatMap((one) => hostMessages(service, one, world)));
  },
};

function hostMessages(document: AnalysisDocument, { raw, path }: Destination, world: World): Message[] {
  const host = asText(raw.host);
  if (host === undefined) return [];
  const full = world.fullName(host, document.namespace);
  const ports = world.portsOf(full);
  const quoted = JSON.stringify(host);
  if (ports === undefined) {
    if (world.knows(full)) return [];
    const fix = suggestHost(host, document.namespace, world);
    return [message('IST0101', document, [...path, 'host'], `the mesh has no service ${quoted}`, fix)];
  }
  const number = asNumber(valueAt(raw, 'port', 'number'));
  if (number === undefined && ports.length > 1) {
    const text = `the service ${quoted} has several ports, and none is named`;
    return [message('IST0112', document, [...path, 'port'], text, `one of ${ports.join(', ')}`)];
  }
  if (number === undefined || ports.includes(number)) return [];
  const text = `the service ${quoted} has no port ${number}`;
  return [message('IST0101', document, [...path, 'port'], text, `it has ${ports.join(', ')}`)];
}

export const subsetAnalyzer: Analyzer = {
  name: 'virtualservice.DestinationRuleAnalyzer',
  description: 'Routes to subsets that no DestinationRule has',
  codes: ['IST0101'],
  analyze(world) {
    const rules = world.istio('DestinationRule').map((rule) => ({
      host: world.fullName(asText(rule.spec.host) ?? '', rule.namespace),
      subsets: asObjects(rule.spec.subsets).flatMap(({ name }) => asText(name) ?? []),
    }));
    const exact = Map.groupBy(rules, ({ host }) => host);
    const wide = rules.filter(({ host }) => host.startsWith('*'));
    return world.istio('VirtualService').flatMap((document) =>
      destinationsOf(document).flatMap(({ raw, path }): Message[] => {
        const [host, subset] = [asText(raw.host), asText(raw.subset)];
        if (host === undefined || subset === undefined) return [];
        const full = world.fullName(host, document.namespace);
        const fitting = [...(exact.get(full) ?? []), ...wide.filter((rule) => coversHost(rule.host, full))];
        const subsets = fitting.flatMap((rule) => rule.subsets);
        if (subsets.includes(subset)) return [];
        const text = `no DestinationRule for ${JSON.stringify(host)} has the subset ${JSON.stringify(subset)}`;
        return [message('IST0101', document, [...path, 'subset'], text, didYouMean(subset, subsets))];
      }),
    );
  },
};
