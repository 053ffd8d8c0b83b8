/** Fields that are still read and have a successor (IST0002). */
import type { Repair } from '#core/problem.ts';
import type { Path } from '../../decode/decoder.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asObject, asObjects, type Raw, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';

export const deprecationAnalyzer: Analyzer = {
  name: 'deprecation.FieldAnalyzer',
  description: 'Fields with a successor',
  codes: ['IST0002'],
  analyze: (world) => [
    ...world.istio('VirtualService').flatMap(ofVirtualService),
    ...world.istio('Sidecar').flatMap((sidecar) => {
      const path = ['spec', 'outboundTrafficPolicy', 'egressProxy'];
      return valueAt(sidecar.raw, ...path) === undefined ? [] : [deprecated(sidecar, path)];
    }),
    ...world.istio('DestinationRule').flatMap(ofDestinationRule),
  ],
};

function ofVirtualService(document: AnalysisDocument): Message[] {
  return asObjects(document.spec.http).flatMap((route, index) => {
    const at: Path = ['spec', 'http', index];
    const delay = asObject(valueAt(route, 'fault', 'delay'));
    const inDelay = [...at, 'fault', 'delay'];
    const fix = 'write allowOrigins: [{exact: …}]';
    return [
      ...share(document, delay, inDelay, 'percent', 'percentage'),
      ...share(document, route, at, 'mirrorPercent', 'mirrorPercentage'),
      ...share(document, route, at, 'mirror_percent', 'mirrorPercentage'),
      ...(valueAt(route, 'corsPolicy', 'allowOrigin') === undefined
        ? []
        : [deprecated(document, [...at, 'corsPolicy', 'allowOrigin'], fix)]),
    ];
  });
}

/** A number of percent that stands in an object now. */
function share(document: AnalysisDocument, holder: Raw, path: Path, old: string, now: string): Message[] {
  if (holder[old] === undefined) return [];
  const isCertain = typeof holder[old] === 'number' && holder[now] === undefined;
  const repair = isCertain ? { name: now, wrapped: 'value' } : undefined;
  return [deprecated(document, [...path, old], `write ${now}: {value: …}`, repair)];
}

function ofDestinationRule(document: AnalysisDocument): Message[] {
  const policies = [
    { policy: document.spec.trafficPolicy, path: ['spec', 'trafficPolicy'] as Path },
    ...asObjects(document.spec.subsets).map(({ trafficPolicy }, index) => ({
      policy: trafficPolicy,
      path: ['spec', 'subsets', index, 'trafficPolicy'],
    })),
  ];
  return policies.flatMap(({ policy, path }) => {
    const balancer = asObject(valueAt(policy, 'loadBalancer'));
    const at = [...path, 'loadBalancer'];
    const ring = valueAt(balancer, 'consistentHash', 'minimumRingSize');
    const { warmupDurationSecs: warmup } = balancer;
    const isText = typeof warmup === 'string' && balancer.warmup === undefined;
    const toWarmup = isText ? { name: 'warmup', wrapped: 'duration' } : undefined;
    return [
      ...(balancer.simple === 'LEAST_CONN'
        ? [deprecated(document, [...at, 'simple'], 'write LEAST_REQUEST', { value: 'LEAST_REQUEST' })]
        : []),
      ...(warmup === undefined
        ? []
        : [deprecated(document, [...at, 'warmupDurationSecs'], 'write warmup: {duration: …}', toWarmup)]),
      ...(ring === undefined
        ? []
        : [
            deprecated(
              document,
              [...at, 'consistentHash', 'minimumRingSize'],
              'write ringHash: {minimumRingSize: …}',
            ),
          ]),
    ];
  });
}

function deprecated(document: AnalysisDocument, path: Path, fix?: string, repair?: Repair): Message {
  return message('IST0002', document, path, 'is deprecated', fix, repair);
}
