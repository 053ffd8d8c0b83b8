/** DestinationRules: certificates that nobody checks (IST0128, 0129), subsets without Pods (IST0173), hosts (IST0174). */
import { didYouMean } from '#core/did-you-mean.ts';
import { type Labels, selects } from '../../metadata.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asLabels, asObject, asObjects, asText, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';
import type { Workload, World } from '../world.ts';

export const caCertificateAnalyzer: Analyzer = {
  name: 'destinationrule.CaCertificateAnalyzer',
  description: 'TLS to a server whose certificate is not checked',
  codes: ['IST0128', 'IST0129'],
  analyze: (world) =>
    world.istio('DestinationRule').flatMap((rule) => {
      const { trafficPolicy } = rule.spec;
      const fix = 'write caCertificates, or insecureSkipVerify: true where it is meant';
      const messages: Message[] = [];
      if (isUnchecked(rule, valueAt(trafficPolicy, 'tls'))) {
        const text = 'the certificate of the server is not checked: nothing says who signs it';
        messages.push(message('IST0128', rule, ['spec', 'trafficPolicy', 'tls'], text, fix));
      }
      for (const [index, port] of asObjects(valueAt(trafficPolicy, 'portLevelSettings')).entries()) {
        if (!isUnchecked(rule, port.tls)) continue;
        const path = ['spec', 'trafficPolicy', 'portLevelSettings', index, 'tls'];
        const text = 'the certificate of the server is not checked on this port: nothing says who signs it';
        messages.push(message('IST0129', rule, path, text, fix));
      }
      return messages;
    }),
};

/** A credential is read by sidecars only where the rule selects them. */
function isUnchecked(rule: AnalysisDocument, tls: unknown): boolean {
  const { mode, caCertificates, credentialName, insecureSkipVerify } = asObject(tls);
  if (mode !== 'SIMPLE' && mode !== 'MUTUAL') return false;
  if (asText(caCertificates) !== undefined || insecureSkipVerify === true) return false;
  return asText(credentialName) === undefined || rule.spec.workloadSelector === undefined;
}

export const podNotSelectedAnalyzer: Analyzer = {
  name: 'destinationrule.PodNotSelectedAnalyzer',
  description: 'Subsets that no Pod is in',
  codes: ['IST0173'],
  analyze: (world) =>
    world.istio('DestinationRule').flatMap((rule) => {
      const host = asText(rule.spec.host) ?? '';
      const service = world.service(world.fullName(host, rule.namespace));
      const selector = asLabels(service?.spec.selector);
      if (service === undefined || Object.keys(selector).length === 0) return [];
      const behind = world
        .selected(selector, service.namespace)
        .map((workload) => labelsWithPlace(workload, world));
      const entries = world
        .istio('WorkloadEntry')
        .filter(({ namespace }) => namespace === service.namespace)
        .map(({ spec, labels }) => ({ ...labels, ...asLabels(spec.labels) }))
        .filter((labels) => selects(selector, labels));
      return asObjects(rule.spec.subsets).flatMap((subset, index) => {
        if ([...behind, ...entries].some((labels) => selects(asLabels(subset.labels), labels))) return [];
        const text = `no Pod of ${service.name} is in the subset ${JSON.stringify(subset.name)}`;
        return [message('IST0173', rule, ['spec', 'subsets', index], text)];
      });
    }),
};

/** Labels of Pods, and what their node says of the place they are in. */
function labelsWithPlace({ labels, spec }: Workload, world: World): Labels {
  const node = world.named('', 'Node', '', asText(spec.nodeName) ?? '');
  const place = Object.entries(node?.labels ?? {}).filter(
    ([name, value]) => value !== '' && /^topology\.(?:kubernetes|istio)\.io\//.test(name),
  );
  return { ...Object.fromEntries(place), ...labels };
}

export const unknownHostAnalyzer: Analyzer = {
  name: 'destinationrule.UnknownHostAnalyzer',
  description: 'DestinationRules for hosts that the mesh does not have',
  codes: ['IST0174'],
  analyze(world) {
    if (world.hasNoHosts) return [];
    return world.istio('DestinationRule').flatMap((rule) => {
      const host = asText(rule.spec.host);
      if (host === undefined || host.startsWith('*')) return [];
      const full = world.fullName(host, rule.namespace);
      if (world.knows(full)) return [];
      const text = `the mesh has no service ${JSON.stringify(host)}`;
      return [message('IST0174', rule, ['spec', 'host'], text, suggestHost(host, rule.namespace, world))];
    });
  },
};

/** A service of that name somewhere else, or of nearly that name. */
export function suggestHost(host: string, namespace: string, world: World): string | undefined {
  if (host.includes('.')) return didYouMean(host, world.hostNames);
  const elsewhere = world.services.find(({ name }) => name === host);
  if (elsewhere !== undefined) return `did you mean "${host}.${elsewhere.namespace}"?`;
  const local = world.services.filter((service) => service.namespace === namespace);
  return didYouMean(
    host,
    local.map(({ name }) => name),
  );
}
