/** Istio's annotations: on which kinds each has an effect, and what its value must be (field list of istio/api). */
import { isIpRange } from '#core/ip-address.ts';

export interface KnownAnnotation {
  /** `any`: whatever kind. */
  readonly on: readonly string[] | 'any';
  readonly deprecated?: boolean;
  /** What is wrong with a value; undefined where it is good. */
  check?(value: string): string | undefined;
}

const pod = ['Pod'] as const;
const service = ['Service'] as const;

const wholeNumber = (value: string): string | undefined =>
  /^\d{1,10}$/.test(value) ? undefined : `${JSON.stringify(value)} is not a whole number`;

const trueOrFalse = (value: string): string | undefined =>
  ['true', 'false', 'True', 'False', 'TRUE', 'FALSE', 't', 'f', 'T', 'F', '1', '0'].includes(value)
    ? undefined
    : `${JSON.stringify(value)} is neither true nor false`;

const portNumber = (value: string): boolean => /^\d{1,5}$/.test(value) && Number(value) <= 65_535;

const port = (value: string): string | undefined =>
  portNumber(value) ? undefined : `${JSON.stringify(value)} is not a port`;

const items = (value: string): readonly string[] =>
  value.split(',').flatMap((item) => (item.trim() === '' ? [] : [item.trim()]));

const ports = (value: string): string | undefined => {
  const wrong = items(value).find((item) => !portNumber(item));
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is not a port`;
};

const portsOrAll = (value: string): string | undefined => (value === '*' ? undefined : ports(value));

const ranges = (value: string): string | undefined => {
  const wrong = items(value).find((item) => !isIpRange(item));
  return wrong === undefined ? undefined : `${JSON.stringify(wrong)} is not a range of IP addresses`;
};

const rangesOrAll = (value: string): string | undefined => (value === '*' ? undefined : ranges(value));

const interceptionMode = (value: string): string | undefined =>
  ['REDIRECT', 'TPROXY', 'NONE'].includes(value) ? undefined : 'one of REDIRECT, TPROXY, NONE is expected';

const onPods = (names: readonly string[]): [string, KnownAnnotation][] =>
  names.map((name) => [name, { on: pod }]);

const entries: readonly [string, KnownAnnotation][] = [
  ['galley.istio.io/analyze-suppress', { on: 'any' }],
  ['gateway.istio.io/controller-version', { on: 'any' }],
  ['gateway.istio.io/name-override', { on: 'any' }],
  ['gateway.istio.io/service-account', { on: 'any' }],
  ['networking.istio.io/service-type', { on: 'any' }],
  ['networking.istio.io/address-type', { on: 'any' }],
  ['networking.istio.io/traffic-distribution', { on: ['Service', 'Namespace', 'ServiceEntry'] }],
  ['networking.istio.io/exportTo', { on: service }],
  ['traffic.istio.io/nodeSelector', { on: service }],
  ['kubernetes.io/ingress.class', { on: ['Ingress'] }],
  ['ingress.istio.io/service-upstream', { on: ['Ingress'] }],
  ['operator.istio.io/chart-owner', { on: 'any' }],
  ['operator.istio.io/managed', { on: 'any' }],
  ['operator.istio.io/version', { on: 'any' }],
  ['install.operator.istio.io/chart-owner', { on: 'any' }],
  ['install.operator.istio.io/owner-generation', { on: 'any' }],
  ['install.operator.istio.io/version', { on: 'any' }],
  ['internal.istio.io/config-applied', { on: 'any' }],
  ['istio.io/autoRegistrationGroup', { on: ['WorkloadEntry'] }],
  ['istio.io/workloadController', { on: ['WorkloadEntry'] }],
  ['istio.io/connectedAt', { on: ['WorkloadEntry'] }],
  ['istio.io/disconnectedAt', { on: ['WorkloadEntry'] }],
  ['istio.io/dry-run', { on: ['AuthorizationPolicy'], check: trueOrFalse }],
  ['istio.io/rev', { on: 'any' }],
  ['istio.io/for-service-account', { on: 'any' }],
  ['istio.io/use-waypoint', { on: 'any' }],
  ['topology.istio.io/controlPlaneClusters', { on: ['Namespace'] }],
  ['sidecar.istio.io/statsInclusionPrefixes', { on: pod, deprecated: true }],
  ['sidecar.istio.io/statsInclusionRegexps', { on: pod, deprecated: true }],
  ['sidecar.istio.io/statsInclusionSuffixes', { on: pod, deprecated: true }],
  ['sidecar.istio.io/enableCoreDump', { on: pod, deprecated: true }],
  ['sidecar.istio.io/inject', { on: pod, deprecated: true, check: trueOrFalse }],
  ['sidecar.istio.io/rewriteAppHTTPProbers', { on: pod, check: trueOrFalse }],
  ['sidecar.istio.io/nativeSidecar', { on: pod, check: trueOrFalse }],
  ['sidecar.istio.io/interceptionMode', { on: pod, check: interceptionMode }],
  ['status.sidecar.istio.io/port', { on: pod, check: port }],
  ['readiness.status.sidecar.istio.io/applicationPorts', { on: pod, check: ports }],
  ['readiness.status.sidecar.istio.io/failureThreshold', { on: pod, check: wholeNumber }],
  ['readiness.status.sidecar.istio.io/initialDelaySeconds', { on: pod, check: wholeNumber }],
  ['readiness.status.sidecar.istio.io/periodSeconds', { on: pod, check: wholeNumber }],
  ['traffic.sidecar.istio.io/excludeInboundPorts', { on: pod, check: ports }],
  ['traffic.sidecar.istio.io/excludeOutboundPorts', { on: pod, check: ports }],
  ['traffic.sidecar.istio.io/includeInboundPorts', { on: pod, check: portsOrAll }],
  ['traffic.sidecar.istio.io/includeOutboundPorts', { on: pod, check: ports }],
  ['traffic.sidecar.istio.io/excludeOutboundIPRanges', { on: pod, check: ranges }],
  ['traffic.sidecar.istio.io/includeOutboundIPRanges', { on: pod, check: rangesOrAll }],
  ...onPods([
    ...['inject.istio.io/templates', 'prometheus.istio.io/merge-metrics', 'proxy.istio.io/config'],
    ...['proxy.istio.io/overrides', 'ambient.istio.io/redirection', 'ambient.istio.io/dns-capture'],
    ...['ambient.istio.io/bypass-inbound-capture', 'istio.io/reroute-virtual-interfaces'],
    ...['traffic.sidecar.istio.io/excludeInterfaces', 'traffic.sidecar.istio.io/kubevirtInterfaces'],
    ...['agentLogLevel', 'bootstrapOverride', 'componentLogLevel', 'controlPlaneAuthPolicy'].map(ofSidecar),
    ...['discoveryAddress', 'extraStatTags', 'logLevel', 'proxyCPU', 'proxyCPULimit'].map(ofSidecar),
    ...['proxyImage', 'proxyImageType', 'proxyMemory', 'proxyMemoryLimit', 'status'].map(ofSidecar),
    ...['statsHistogramBins', 'statsHistogramBuckets', 'statsFlushInterval'].map(ofSidecar),
    ...['statsEvictionInterval', 'statsCompression', 'userVolume', 'userVolumeMount'].map(ofSidecar),
  ]),
  ['ambient.istio.io/waypoint-inbound-binding', { on: 'any' }],
];

function ofSidecar(name: string): string {
  return `sidecar.istio.io/${name}`;
}

export const knownAnnotations: ReadonlyMap<string, KnownAnnotation> = new Map(entries);

/** Whether Istio has a say in an annotation. */
export function isIstioAnnotation(name: string): boolean {
  return name === 'kubernetes.io/ingress.class' || name.slice(0, name.indexOf('/')).endsWith('istio.io');
}
