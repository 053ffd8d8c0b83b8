/** Kubernetes `Service` (v1): a name, its ports and the pods behind it. */

import { parseIp } from '#core/ip-address.ts';
import { list, mapOf } from './decode/collection.ts';
import { type Decoder, describeValue, type Path, type Report } from './decode/decoder.ts';
import {
  defaulted,
  meaningless,
  object,
  optional,
  required,
  unsupported,
  unsupportedIf,
} from './decode/object.ts';
import { dnsName, oneOf, portNumber, text } from './decode/scalar.ts';
import { annotatedExportTo, exportToAnnotation } from './export-to.ts';
import type { KindDefinition } from './kind.ts';
import type { Labels, ResourceBase } from './metadata.ts';

export interface ServicePort {
  /** `http`, `grpc-web`, …: the part before the first `-` names the protocol (Istio). */
  readonly name?: string;
  readonly port: number;
  /** A number or the name of a container port; absent: the same as `port`. */
  readonly targetPort?: number | string;
  readonly protocol: 'TCP' | 'UDP' | 'SCTP';
  /** Names the protocol and wins over `name`. */
  readonly appProtocol?: string;
}

export interface ServiceSpec {
  /** Empty: no endpoints are found for it. */
  readonly selector: Labels;
  readonly ports: readonly ServicePort[];
  /** `None` makes the service headless. */
  readonly clusterIP?: string;
  /** One of each family, `clusterIP` first. */
  readonly clusterIPs?: readonly string[];
  /** Of which versions of IP it has addresses, the first first; absent: as the policy says. */
  readonly ipFamilies?: readonly IpFamily[];
  /** Absent: one version, IPv4 unless something says otherwise. */
  readonly ipFamilyPolicy?: 'SingleStack' | 'PreferDualStack' | 'RequireDualStack';
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** Of `ExternalName`: what the service is another name for. */
  readonly externalName?: string;
  /** Pods that are not ready are endpoints too. */
  readonly publishNotReadyAddresses: boolean;
}

export type IpFamily = 'IPv4' | 'IPv6';

export type Service = ResourceBase<'Service', ServiceSpec>;

/** Whether it has no address, and callers choose an instance by its own. */
export function isHeadless({ spec }: Pick<Service, 'spec'>): boolean {
  return spec.clusterIP === 'None';
}

/** A port number or the name of a port. */
export const portOrName: Decoder<number | string> = (value, path, report) => {
  if (typeof value === 'number') return portNumber(value, path, report);
  if (typeof value === 'string' && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(value)) {
    return /^[0-9]+$/.test(value) ? portNumber(Number(value), path, report) : value;
  }
  return report.error(path, `a port number or name is expected, not ${describeValue(value)}`);
};

const port: Decoder<ServicePort> = object({
  name: optional(dnsName('no dots')),
  port: required(portNumber),
  targetPort: optional(portOrName),
  protocol: defaulted(oneOf(['TCP', 'UDP', 'SCTP']), 'TCP'),
  appProtocol: optional(text),
  nodePort: meaningless(),
});

/** Answered by the DNS of proxies; those that are asked for the name by HTTP do not know it. */
const externalName: Decoder<string> = (value, path, report) => {
  report.unsupported(path, 'adds');
  return dnsName('dots')(value, path, report);
};

/** As the API server judges them. */
function checkFamilies(
  { clusterIP = '', clusterIPs = [], ipFamilies = [], ipFamilyPolicy }: ServiceSpec,
  path: Path,
  report: Report,
): void {
  if (clusterIPs.length > 0 && clusterIP !== '' && clusterIPs[0] !== clusterIP) {
    const message = `the first one must be clusterIP, which is ${clusterIP}`;
    report.error([...path, 'clusterIPs', 0], message);
  }
  const isOne = clusterIPs.length === 0;
  const said = isOne ? [clusterIP].filter((address) => address !== '') : clusterIPs;
  const families = said.map(familyOf);
  for (const [index, family] of families.entries()) {
    const here = isOne ? [...path, 'clusterIP'] : [...path, 'clusterIPs', index];
    if (family === undefined && (said.length > 1 || said[index] !== 'None'))
      report.error(here, `${JSON.stringify(said[index])} is no IP address`);
    else if (family !== undefined && families.indexOf(family) < index)
      report.error(here, `there is another one of ${family}`);
    else if (family !== undefined && (ipFamilies[index] ?? family) !== family)
      report.error(here, `must be of ${ipFamilies[index]}, as ipFamilies says`);
  }
  for (const [index, family] of ipFamilies.entries()) {
    if (ipFamilies.indexOf(family) < index)
      report.error([...path, 'ipFamilies', index], `${family} is there twice`);
  }
  if (
    Math.max(ipFamilies.length, clusterIPs.length) > 1 &&
    (ipFamilyPolicy ?? 'SingleStack') === 'SingleStack'
  ) {
    const message = 'there are two versions of IP, and SingleStack (the default) has one';
    report.error([...path, 'ipFamilyPolicy'], message, 'write PreferDualStack');
  }
}

/** Undefined where it is no IP address. */
export function familyOf(address: string): IpFamily | undefined {
  const bytes = parseIp(address);
  if (bytes === undefined) return undefined;
  return bytes.length === 4 ? 'IPv4' : 'IPv6';
}

/** Of which versions of IP a service has addresses, in their order (Kubernetes, dual-stack). */
export function familiesOf({
  clusterIP = '',
  clusterIPs = [],
  ipFamilies,
  ipFamilyPolicy = 'SingleStack',
}: ServiceSpec): readonly IpFamily[] {
  const said = ipFamilies ?? [clusterIP, ...clusterIPs].flatMap((address) => familyOf(address) ?? []);
  const families = [...new Set(said)];
  if (families.length === 0) families.push('IPv4');
  if (families.length > 1 || ipFamilyPolicy === 'SingleStack') return families;
  return [families[0]!, families[0] === 'IPv4' ? 'IPv6' : 'IPv4'];
}

const spec: Decoder<ServiceSpec> = object(
  {
    selector: defaulted(mapOf(text), {}),
    ports: defaulted(list(port), []),
    clusterIP: optional(text),
    type: defaulted(oneOf(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']), 'ClusterIP'),
    externalName: optional(externalName),
    publishNotReadyAddresses: defaulted((value) => value === true, false),
    clusterIPs: optional(list(text, 1)),
    ipFamilies: optional(list(oneOf(['IPv4', 'IPv6']), 1)),
    ipFamilyPolicy: optional(oneOf(['SingleStack', 'PreferDualStack', 'RequireDualStack'])),
    // Ways in from outside: processes of one machine have none of them.
    allocateLoadBalancerNodePorts: meaningless(),
    externalTrafficPolicy: meaningless(),
    healthCheckNodePort: meaningless(),
    loadBalancerClass: meaningless(),
    loadBalancerIP: meaningless(),
    externalIPs: unsupported('adds'),
    internalTrafficPolicy: unsupportedIf('adds', (value) => value !== 'Cluster'),
    loadBalancerSourceRanges: unsupported('closes'),
    sessionAffinity: unsupportedIf('adds', (value) => value !== 'None'),
    sessionAffinityConfig: unsupported('adds'),
    trafficDistribution: unsupported('adds'),
  },
  (decoded, path, report) => {
    checkFamilies(decoded, path, report);
    const { ports } = decoded;
    const seen = new Set<string>();
    for (const [index, { name, port, protocol }] of ports.entries()) {
      const here = [...path, 'ports', index];
      if (name === undefined && ports.length > 1)
        report.error([...here, 'name'], 'needed where there are several ports');
      for (const key of [`port ${port}/${protocol}`, ...(name === undefined ? [] : [`name "${name}"`])]) {
        if (seen.has(key)) report.error(here, `the ${key} is there twice`);
        seen.add(key);
      }
    }
  },
);

export const serviceKind: KindDefinition<Service> = {
  kind: 'Service',
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  fields: { spec: required(spec), status: meaningless() },
  annotations: { [exportToAnnotation]: annotatedExportTo },
};
