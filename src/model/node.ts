/** Kubernetes `Node`: where Pods run; its labels say in which region and zone. */
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object } from './decode/object.ts';
import type { KindDefinition } from './kind.ts';
import type { Labels, ResourceBase } from './metadata.ts';

export type Node = ResourceBase<'Node', object>;

const notPlaced = 'Nothing is placed on nodes here.';

const spec: Decoder<object> = object({
  configSource: meaningless(notPlaced),
  externalID: meaningless(notPlaced),
  podCIDR: meaningless(notPlaced),
  podCIDRs: meaningless(notPlaced),
  providerID: meaningless(notPlaced),
  taints: meaningless(notPlaced),
  unschedulable: meaningless(notPlaced),
});

export const nodeKind: KindDefinition<Node> = {
  kind: 'Node',
  group: '',
  versions: ['v1'],
  scope: 'mesh',
  about:
    'Where Pods run, by their `nodeName`: its labels `topology.kubernetes.io/region`, `topology.kubernetes.io/zone` and `topology.istio.io/subzone` say where that is, for preferring endpoints that are near.',
  fields: { spec: defaulted(spec, {}), status: meaningless() },
};

/** Well-known labels of Nodes, and of Pods that they are copied to; the last is Istio's. */
export const regionLabel = 'topology.kubernetes.io/region';
export const zoneLabel = 'topology.kubernetes.io/zone';
export const subZoneLabel = 'topology.istio.io/subzone';

/** Older names of the first two. */
const oldRegionLabel = 'failure-domain.beta.kubernetes.io/region';
const oldZoneLabel = 'failure-domain.beta.kubernetes.io/zone';

/** Of a workload: `REGION.ZONE.SUBZONE`, stronger than what its Node says (Istio). */
const localityLabel = 'istio-locality';

/** `REGION/ZONE/SUBZONE` as far as it is known. @param node undefined where nobody told of it */
export function localityOf(labels: Labels, node: Node | undefined): string {
  const own = labels[localityLabel];
  if (own !== undefined && own !== '') return own.includes('/') ? own : own.replaceAll('.', '/');
  return localityByLabels(node?.metadata.labels ?? {}) || localityByLabels(labels);
}

function localityByLabels(labels: Labels): string {
  const region = labels[regionLabel] ?? labels[oldRegionLabel] ?? '';
  const zone = labels[zoneLabel] ?? labels[oldZoneLabel] ?? '';
  return [region, zone, labels[subZoneLabel] ?? ''].join('/').replace(/\/+$/, '');
}
