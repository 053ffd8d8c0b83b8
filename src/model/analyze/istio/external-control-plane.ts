/** Webhooks of an external control plane that lead nowhere (IST0163, 0164). */
import { parseIp } from '#core/ip-address.ts';
import type { Analyzer } from '../analyzer.ts';
import { asObject, asObjects, asText, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';

const group = 'admissionregistration.k8s.io';
const istios = /^(?:istio-validator|istiod-default-validator|istio-sidecar-injector)/;

export const externalControlPlaneAnalyzer: Analyzer = {
  name: 'externalcontrolplane.ExternalControlPlaneAnalyzer',
  description: 'Webhooks of an external control plane without an address',
  codes: ['IST0163', 'IST0164'],
  analyze: (world) =>
    ['ValidatingWebhookConfiguration', 'MutatingWebhookConfiguration']
      .flatMap((kind) => world.of(group, kind))
      .filter(({ name }) => istios.test(name))
      .flatMap((document) =>
        asObjects(document.raw.webhooks).flatMap((webhook, index): Message[] => {
          if (valueAt(webhook, 'clientConfig', 'service') !== undefined) return [];
          const path = ['webhooks', index, 'clientConfig', 'url'];
          const url = asText(asObject(webhook.clientConfig).url);
          if (url === undefined) {
            const text = `the webhook ${asText(webhook.name) ?? index} has neither a service nor a url`;
            return [message('IST0163', document, path, text)];
          }
          const host = /^https?:\/\/(\[[^\]]*\]|[^/:]*)/.exec(url)?.[1] ?? '';
          if (host === '') return [message('IST0163', document, path, `${url} is not a url`)];
          if (parseIp(host.replace(/^\[|\]$/g, '')) === undefined) return [];
          return [message('IST0164', document, path, `${host} is an IP address and no host name`)];
        }),
      ),
};
