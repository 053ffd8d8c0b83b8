/** Names of ports from which Istio tells the protocol (IST0118, 0150). */
import { portProtocol } from '../../port-protocol.ts';
import type { Analyzer } from '../analyzer.ts';
import { asNumber, asObjects, asText } from '../loose.ts';
import { type Message, message } from '../message.ts';
import { systemNamespaces } from './injection.ts';

export const portNameAnalyzer: Analyzer = {
  name: 'service.PortNameAnalyzer',
  description: 'Ports whose name does not say their protocol',
  codes: ['IST0118', 'IST0150'],
  analyze: (world) =>
    world.services
      .filter(({ namespace }) => !systemNamespaces.includes(namespace))
      .flatMap((service) =>
        asObjects(service.spec.ports).flatMap((written, index): Message[] => {
          const port = asNumber(written.port);
          if (port === undefined || (written.protocol ?? 'TCP') !== 'TCP') return [];
          const name = asText(written.name);
          const appProtocol = asText(written.appProtocol);
          const { carriedAs } = portProtocol({
            port,
            ...(name !== undefined && { name }),
            ...(appProtocol !== undefined && { appProtocol }),
          });
          if (carriedAs !== 'AUTO') return [];
          const path = ['spec', 'ports', index];
          const what = name === undefined ? 'has no name' : `is named ${JSON.stringify(name)}`;
          const fix = 'name it "http", "tcp-…", or set appProtocol';
          if (service.spec.type === 'ExternalName') {
            const text = `the port ${port} of an ExternalName Service ${what}, and may be taken to be TCP`;
            return [message('IST0150', service, path, text, fix)];
          }
          const text = `the port ${port} ${what}: the first bytes of each connection say whether it is HTTP`;
          return [message('IST0118', service, path, text, fix)];
        }),
      ),
};
