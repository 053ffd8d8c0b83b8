/** Webhooks of injectors: without a Service behind them, or several for one Pod (IST0139). */
import type { Labels } from '../../metadata.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asObject, asObjects, asText, type Raw } from '../loose.ts';
import { type Message, message } from '../message.ts';
import type { World } from '../world.ts';
import { matches } from './proxy-images.ts';

interface Webhook {
  readonly document: AnalysisDocument;
  readonly index: number;
  readonly raw: Raw;
}

export const webhookAnalyzer: Analyzer = {
  name: 'webhook.Analyzer',
  description: 'Injectors that are not there, or that put sidecars into the same Pods',
  codes: ['IST0139'],
  analyze(world) {
    const webhooks = world
      .of('admissionregistration.k8s.io', 'MutatingWebhookConfiguration')
      .filter(({ name }) => name.startsWith('istio-sidecar-injector'))
      .flatMap((document) =>
        asObjects(document.raw.webhooks).map((raw, index) => ({ document, index, raw })),
      );
    return [...webhooks.flatMap((webhook) => serviceMessages(webhook, world)), ...overlapMessages(webhooks)];
  },
};

function serviceMessages({ document, index, raw }: Webhook, world: World): Message[] {
  const service = asObject(asObject(raw.clientConfig).service);
  const [name, namespace] = [asText(service.name), asText(service.namespace)];
  if (name === undefined || namespace === undefined) return [];
  if (world.named('', 'Service', namespace, name) !== undefined) return [];
  const path = ['webhooks', index, 'clientConfig', 'service'];
  return [message('IST0139', document, path, `there is no Service ${namespace}/${name} to be called`)];
}

/** Labels of namespaces and of Pods by which injectors choose, in all their combinations. */
function* situations(webhooks: readonly Webhook[]): Generator<{ namespace: Labels; pod: Labels }> {
  const revisions = webhooks.flatMap(({ document }) => document.labels['istio.io/rev'] ?? []);
  const revision = choices('istio.io/rev', ['default', ...revisions]);
  for (const injection of choices('istio-injection', ['enabled', 'disabled'])) {
    for (const inject of choices('sidecar.istio.io/inject', ['true', 'false'])) {
      for (const ofNamespace of revision) {
        for (const ofPod of revision) {
          yield { namespace: { ...injection, ...ofNamespace }, pod: { ...inject, ...ofPod } };
        }
      }
    }
  }
}

function choices(name: string, values: readonly string[]): readonly Labels[] {
  return [{}, ...[...new Set(values)].map((value) => ({ [name]: value }))];
}

function overlapMessages(webhooks: readonly Webhook[]): Message[] {
  const rivals = new Map<Webhook, Set<string>>();
  for (const { namespace, pod } of situations(webhooks)) {
    const called = webhooks.filter(
      ({ raw }) => matches(raw.namespaceSelector, namespace) && matches(raw.objectSelector, pod),
    );
    if (called.length < 2) continue;
    for (const one of called) {
      const others = called.filter((other) => other !== one).map(({ document }) => document.key);
      rivals.set(one, (rivals.get(one) ?? new Set()).union(new Set(others)));
    }
  }
  return [...rivals].map(([{ document, index }, others]) => {
    const text = `is called for Pods that ${[...others].join(', ')} is called for too: they get two sidecars`;
    return message('IST0139', document, ['webhooks', index, 'namespaceSelector'], text);
  });
}
