/** Fields that are still read and have a successor (IST0002). */
import type { Path } from '../../decode/decoder.ts';
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asObjects, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';

export const deprecationAnalyzer: Analyzer = {
  name: 'deprecation.FieldAnalyzer',
  description: 'Fields with a successor',
  codes: ['IST0002'],
  analyze: (world) => [
    ...world.istio('VirtualService').flatMap(ofVirtualService),
    ...world.istio('Sidecar').flatMap((sidecar) => {
      const path = ['spec', 'outboundTrafficPolicy', 'egressProxy'];
      return valueAt(sidecar.raw, ...path) === undefined ? [] : [deprecated(sidecar, path, undefined)];
    }),
    ...world.istio('DestinationRule').flatMap(ofDestinationRule),
  ],
};

function ofVirtualService(document: AnalysisDocument): Message[] {
  return asObjects(document.spec.http).flatMap((route, index) => {
    const at: Path = ['spec', 'http', index];
    const found = (steps: readonly string[], fix: string): Message[] =>
      valueAt(route, ...steps) === undefined ? [] : [deprecated(document, [...at, ...steps], fix)];
    return [
      ...found(['fault', 'delay', 'percent'], 'write percentage: {value: …}'),
      ...found(['mirrorPercent'], 'write mirrorPercentage: {value: …}'),
      ...found(['corsPolicy', 'allowOrigin'], 'write allowOrigins: [{exact: …}]'),
    ];
  });
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
    const found = (steps: readonly string[], is: (value: unknown) => boolean, fix: string): Message[] =>
      is(valueAt(policy, ...steps)) ? [deprecated(document, [...path, ...steps], fix)] : [];
    const isThere = (value: unknown): boolean => value !== undefined;
    return [
      ...found(['loadBalancer', 'simple'], (value) => value === 'LEAST_CONN', 'write LEAST_REQUEST'),
      ...found(['loadBalancer', 'warmupDurationSecs'], isThere, 'write warmup: {duration: …}'),
      ...found(
        ['loadBalancer', 'consistentHash', 'minimumRingSize'],
        isThere,
        'write ringHash: {minimumRingSize: …}',
      ),
    ];
  });
}

function deprecated(document: AnalysisDocument, path: Path, fix: string | undefined): Message {
  return message('IST0002', document, path, 'is deprecated', fix);
}
