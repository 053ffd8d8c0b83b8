/** Annotations that Istio does not know, or that have no effect where they stand (IST0107, 0108, 0125, 0135). */
import { didYouMean } from '#core/did-you-mean.ts';
import type { Labels } from '../../metadata.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { type Message, message } from '../message.ts';
import type { World } from '../world.ts';
import { isIstioAnnotation, knownAnnotations } from './annotation-catalogue.ts';

/** Kinds whose annotations are looked at; those of Pod templates are annotations of Pods. */
const looked: readonly string[] = ['Namespace', 'Service', 'Pod', 'Deployment', 'StatefulSet'];

export const annotationAnalyzer: Analyzer = {
  name: 'annotations.K8sAnalyzer',
  description:
    'Annotations that are unknown, deprecated, of a wrong value or without effect where they stand',
  codes: ['IST0107', 'IST0108', 'IST0125', 'IST0135'],
  analyze: (world: World) => [
    ...world.documents
      .filter(({ kind }) => looked.includes(kind))
      .flatMap((document) => check(document, document.kind, document.annotations, ['metadata'])),
    ...world.workloads
      .filter(({ document }) => document.kind !== 'Pod')
      .flatMap(({ document, annotations }) =>
        check(document, 'Pod', annotations, ['spec', 'template', 'metadata']),
      ),
  ],
};

function check(
  document: AnalysisDocument,
  kind: string,
  annotations: Labels,
  place: readonly string[],
): Message[] {
  return Object.entries(annotations).flatMap(([name, value]) => {
    if (!isIstioAnnotation(name)) return [];
    const path = [...place, 'annotations', name];
    const known = knownAnnotations.get(name);
    if (known === undefined) {
      const fix = didYouMean(name, knownAnnotations.keys());
      return [message('IST0108', document, path, `there is no annotation ${name}`, fix)];
    }
    const messages: Message[] = [];
    if (known.deprecated === true)
      messages.push(
        message('IST0135', document, path, `the annotation ${name} is deprecated`, successor(name)),
      );
    if (known.on !== 'any' && !known.on.includes(kind)) {
      const text = `the annotation ${name} has no effect on a ${kind}: it goes with ${known.on.join(', ')}`;
      const onTemplate = known.on.includes('Pod') && document.spec.template !== undefined;
      const fix = onTemplate ? 'move it to spec.template.metadata.annotations' : undefined;
      messages.push(message('IST0107', document, path, text, fix));
      return messages;
    }
    const wrong = known.check?.(value);
    if (wrong !== undefined) messages.push(message('IST0125', document, path, `${name}: ${wrong}`));
    return messages;
  });
}

function successor(name: string): string {
  if (name === 'sidecar.istio.io/inject') return 'write the label sidecar.istio.io/inject';
  if (name.startsWith('sidecar.istio.io/statsInclusion'))
    return 'write proxyStatsMatcher in the annotation proxy.istio.io/config';
  return 'leave it out';
}
