/** Sidecars as Istio's injector puts them in: namespaces (IST0102, 0123, 0148) and Pods without (IST0103). */
import type { Labels } from '../../metadata.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asObjects, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';
import type { Workload, World } from '../world.ts';

/** Namespaces of Kubernetes and of Istio itself. */
export const systemNamespaces: readonly string[] = [
  ...['kube-system', 'kube-public', 'kube-node-lease', 'local-path-storage', 'istio-system'],
];

export const injectionAnalyzer: Analyzer = {
  name: 'injection.Analyzer',
  description: "Namespaces and Pods that Istio's injector leaves out, or is told about in two ways",
  codes: ['IST0102', 'IST0103', 'IST0123', 'IST0148'],
  analyze: (world) => [
    ...world.of('', 'Namespace').flatMap((namespace) => namespaceMessages(namespace, world)),
    ...world.workloads
      .filter(({ document }) => document.kind === 'Pod')
      .flatMap((pod) => podMessages(pod, world)),
  ],
};

/** How a namespace is told to take part; `disabled` wins over all. */
function modesOf({
  'istio-injection': injection,
  'istio.io/rev': revision,
  ...labels
}: Labels): readonly string[] {
  if (injection === 'disabled') return ['disabled'];
  return [
    ...(injection === 'enabled' ? ['istio-injection'] : []),
    ...(revision === undefined ? [] : ['istio.io/rev']),
    ...(labels['istio.io/dataplane-mode'] === 'ambient' ? ['istio.io/dataplane-mode'] : []),
  ];
}

function namespaceMessages(namespace: AnalysisDocument, { injectorValues }: World): Message[] {
  if (systemNamespaces.includes(namespace.name)) return [];
  const modes = modesOf(namespace.labels);
  const path = ['metadata', 'labels'];
  if (modes.length > 1) {
    const text = `${modes.join(' and ')} exclude each other`;
    return [message('IST0123', namespace, path, text, 'leave all but one out')];
  }
  if (modes.length > 0 || injectorValues === undefined) return [];
  const byDefault = valueAt(injectorValues, 'sidecarInjectorWebhook', 'enableNamespacesByDefault') === true;
  if (byDefault) {
    const text = 'Pods get a sidecar, as the injector is told to do so by default';
    return [message('IST0148', namespace, path, text, 'to leave them without: istio-injection: disabled')];
  }
  const text = "Istio's injector gives Pods here no sidecar";
  return [message('IST0102', namespace, path, text, 'to have them get one: istio-injection: enabled')];
}

/** Whether the namespace's labels have Istio's injector give its Pods a sidecar. */
export function isInjected(namespace: string, world: World): boolean {
  const modes = modesOf(world.namespace(namespace)?.labels ?? {});
  return modes.includes('istio-injection') && !modes.includes('istio.io/dataplane-mode');
}

function podMessages({ document, labels, annotations, spec, namespace }: Workload, world: World): Message[] {
  if (!isInjected(namespace, world) || spec.hostNetwork === true) return [];
  const asked = labels['sidecar.istio.io/inject'] ?? annotations['sidecar.istio.io/inject'];
  if (asked === 'false' || systemNamespaces.includes(namespace)) return [];
  if (proxyOf(spec) !== undefined) return [];
  const text = 'there is no sidecar, although the namespace is to have them';
  return [message('IST0103', document, ['spec', 'containers'], text, 'make the Pod anew')];
}

/** The container of Istio's proxy. */
export function proxyOf(
  spec: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> | undefined {
  const containers = [...asObjects(spec.containers), ...asObjects(spec.initContainers)];
  return containers.find(({ name }) => name === 'istio-proxy');
}
