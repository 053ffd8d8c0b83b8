/** Ports of ServiceEntries: TCP without an address (IST0134), and two protocols on one (IST0177). */
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asList, asNumber, asObjects, asText, asTexts, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';
import { visibleTogether } from './visibility.ts';

export const protocolAddressesAnalyzer: Analyzer = {
  name: 'serviceentry.ProtocolAddressesAnalyzer',
  description: 'TCP ports of hosts without an address, which take every connection to their number',
  codes: ['IST0134'],
  analyze(world) {
    const metadata = valueAt(world.meshConfig, 'defaultConfig', 'proxyMetadata');
    const isOn = (name: string): boolean => String(valueAt(metadata, name)).toLowerCase() === 'true';
    if (isOn('ISTIO_META_DNS_CAPTURE') && isOn('ISTIO_META_DNS_AUTO_ALLOCATE')) return [];
    return world.istio('ServiceEntry').flatMap((entry) => {
      if (asList(entry.spec.addresses).length > 0) return [];
      return asObjects(entry.spec.ports).flatMap(({ protocol }, index): Message[] => {
        const upper = (asText(protocol) ?? '').toUpperCase();
        if (upper !== '' && upper !== 'TCP') return [];
        const text =
          'a TCP port of a host without addresses: Heddle gives the host one of its own, and Istio, ' +
          'unless told to, takes every connection to that port number';
        return [message('IST0134', entry, ['spec', 'ports', index], text, 'write addresses')];
      });
    });
  },
};

interface Offer {
  readonly entry: AnalysisDocument;
  readonly protocol: string;
  readonly path: readonly (string | number)[];
}

export const conflictingProtocolAnalyzer: Analyzer = {
  name: 'serviceentry.ConflictingServiceEntryProtocolAnalyzer',
  description: 'ServiceEntries that take one port of a host to be different things',
  codes: ['IST0177'],
  analyze(world) {
    const offers = new Map<string, Offer[]>();
    for (const entry of world.istio('ServiceEntry')) {
      for (const host of asTexts(entry.spec.hosts)) {
        for (const [index, port] of asObjects(entry.spec.ports).entries()) {
          const key = `${host.toLowerCase()}:${String(asNumber(port.number))}`;
          const protocol = (asText(port.protocol) ?? 'TCP').toUpperCase();
          const same = offers.get(key) ?? [];
          offers.set(key, [...same, { entry, protocol, path: ['spec', 'ports', index] }]);
        }
      }
    }
    return [...offers].flatMap(([place, same]) =>
      same.flatMap((offer): Message[] => {
        const other = same.find(
          ({ entry, protocol }) => protocol !== offer.protocol && visibleTogether(entry, offer.entry),
        );
        if (other === undefined) return [];
        const text = `${place} is ${offer.protocol} here and ${other.protocol} in ${other.entry.key}`;
        return [message('IST0177', offer.entry, offer.path, text)];
      }),
    );
  },
};
