/** Images of sidecars: others than the injector's (IST0158), and `auto` where nobody fills it in (IST0146, 0147). */
import { type Labels, selects } from '../../metadata.ts';
import type { Analyzer } from '../analyzer.ts';
import { asLabels, asObjects, asText, asTexts, type Raw, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';
import { imageOf, type Workload, type World } from '../world.ts';
import { isInjected, proxyOf } from './injection.ts';

export const imageAnalyzer: Analyzer = {
  name: 'injection.ImageAnalyzer',
  description: "Pods with a sidecar of another image than the injector's",
  codes: ['IST0158'],
  analyze(world) {
    const wanted = injectedImage(world);
    if (wanted === undefined) return [];
    const stale = world.workloads.filter(
      ({ document, spec, annotations, namespace }) =>
        document.kind === 'Pod' &&
        isInjected(namespace, world) &&
        annotations['sidecar.istio.io/proxyImage'] === undefined &&
        !['', wanted].includes(withoutVariant(imageOf(proxyOf(spec) ?? {}))),
    );
    return [...Map.groupBy(stale, ({ namespace }) => namespace)].flatMap(([name, pods]): Message[] => {
      const namespace = world.namespace(name);
      if (namespace === undefined) return [];
      const names = pods.map(({ document }) => document.name).join(', ');
      const text = `the sidecar of ${names} is not of the image ${wanted}, which the injector puts in`;
      return [message('IST0158', namespace, ['metadata', 'name'], text, 'restart them')];
    });
  },
};

function injectedImage({ injectorValues }: World): string | undefined {
  const global = valueAt(injectorValues, 'global');
  const image = asText(valueAt(global, 'proxy', 'image'));
  if (image === undefined || image.includes('/')) return image && withoutVariant(image);
  return withoutVariant(`${String(valueAt(global, 'hub'))}/${image}:${String(valueAt(global, 'tag'))}`);
}

/** The same proxy comes without a shell, and with more tools. */
function withoutVariant(image: string): string {
  return image.replace(/-(?:distroless|debug)$/, '');
}

export const imageAutoAnalyzer: Analyzer = {
  name: 'injection.ImageAutoAnalyzer',
  description: 'The image auto in Pods that no injector is called for',
  codes: ['IST0146', 'IST0147'],
  analyze(world) {
    const webhooks = world
      .of('admissionregistration.k8s.io', 'MutatingWebhookConfiguration')
      .filter(({ name }) => name.startsWith('istio-sidecar-injector'))
      .flatMap(({ raw }) => asObjects(raw.webhooks));
    if (webhooks.length === 0) return [];
    return world.workloads.flatMap((workload): Message[] => {
      const { document, spec, namespace, path } = workload;
      if (imageOf(proxyOf(spec) ?? {}) !== 'auto') return [];
      if (webhooks.some((webhook) => isCalledFor(webhook, workload, world))) return [];
      const code = document.kind === 'Pod' ? 'IST0147' : 'IST0146';
      const text = `the image auto is filled in by the injector, which is not called for Pods of ${namespace}`;
      return [message(code, document, [...path, 'containers'], text)];
    });
  },
};

function isCalledFor(webhook: Raw, { labels, namespace }: Workload, world: World): boolean {
  const ofNamespace = world.namespace(namespace)?.labels ?? {};
  return matches(webhook.namespaceSelector, ofNamespace) && matches(webhook.objectSelector, labels);
}

/** Kubernetes' `LabelSelector`; one that is not there takes everything. */
export function matches(selector: unknown, labels: Labels): boolean {
  if (!selects(asLabels(valueAt(selector, 'matchLabels')), labels)) return false;
  return asObjects(valueAt(selector, 'matchExpressions')).every(({ key, operator, values }) => {
    const value = labels[asText(key) ?? ''];
    const isAmong = value !== undefined && asTexts(values).includes(value);
    if (operator === 'In') return isAmong;
    if (operator === 'NotIn') return !isAmong;
    return operator === 'Exists' ? value !== undefined : value === undefined;
  });
}
