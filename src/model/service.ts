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
import { boolean, dnsName, oneOf, portNumber, text } from './decode/scalar.ts';
import { described, refined } from './decode/schema.ts';
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

const portForm = { type: 'string', format: 'number or name of a port' } as const;

/** A port number or the name of a port. */
export const portOrName: Decoder<number | string> = described(portForm, (value, path, report) => {
  if (typeof value === 'number') return portNumber(value, path, report);
  if (typeof value === 'string' && /^[a-z0-9]([-a-z0-9]*[a-z0-9])?$/.test(value)) {
    return /^[0-9]+$/.test(value) ? portNumber(Number(value), path, report) : value;
  }
  return report.error(path, `a port number or name is expected, not ${describeValue(value)}`);
});

const port: Decoder<ServicePort> = object({
  name: optional(
    dnsName('no dots'),
    'Needed where there are several. `http`, `http2`, `grpc`, `grpc-web`, `tls`, `https`, `tcp`, `mongo`, `mysql` or `redis`, alone or before a `-`, says what is spoken; another name leaves that to be found out ([protocols.md](../protocols.md)).',
  ),
  port: required(portNumber, 'By which callers ask for it.'),
  targetPort: optional(
    portOrName,
    'Of the Pod, by number or by the name it has there; absent: the same as `port`.',
  ),
  protocol: defaulted(
    oneOf(['TCP', 'UDP', 'SCTP']),
    'TCP',
    'Sidecars carry TCP alone; ports of the others are left to the network.',
  ),
  appProtocol: optional(text, 'What is spoken, and stronger than `name`; `kubernetes.io/h2c` is `http2`.'),
  nodePort: meaningless('There are no nodes whose ports lead in: the gateway does.'),
});

/** Answered by the DNS of proxies; those that are asked for the name by HTTP do not know it. */
const externalName: Decoder<string> = refined(dnsName('dots'), (name, path, report) => {
  report.unsupported(path, 'adds');
  return name;
});

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

const wayIn = 'A way in from outside, which processes of one machine do not have: the gateway is it.';

const spec: Decoder<ServiceSpec> = object(
  {
    selector: defaulted(
      mapOf(text),
      {},
      'Labels that Pods, and WorkloadEntries, must have to stand behind it, all of them; empty: nobody does.',
    ),
    ports: defaulted(list(port), [], 'What it can be asked for.'),
    clusterIP: optional(
      text,
      'Its address; absent: one is found. `None`: it is headless, and callers choose an instance by its own address or name.',
    ),
    type: defaulted(
      oneOf(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']),
      'ClusterIP',
      '`NodePort` and `LoadBalancer` are `ClusterIP` here, as the gateway is the way in; `ExternalName` is another name for `externalName`.',
    ),
    externalName: optional(
      externalName,
      'The DNS of sidecars answers with it; there is no route to it, and a warning says so.',
    ),
    publishNotReadyAddresses: defaulted(boolean, false, 'Pods that are not ready are endpoints too.'),
    clusterIPs: optional(list(text, 1), 'One of each version of IP, `clusterIP` first.'),
    ipFamilies: optional(
      list(oneOf(['IPv4', 'IPv6']), 1),
      'Of which versions of IP it has addresses, the first first; absent: as its addresses or `ipFamilyPolicy` say.',
    ),
    ipFamilyPolicy: optional(
      oneOf(['SingleStack', 'PreferDualStack', 'RequireDualStack']),
      'Whether it has one address or one of each version; absent: `SingleStack`.',
    ),
    allocateLoadBalancerNodePorts: meaningless(wayIn),
    externalTrafficPolicy: meaningless(wayIn),
    healthCheckNodePort: meaningless(wayIn),
    loadBalancerClass: meaningless(wayIn),
    loadBalancerIP: meaningless(wayIn),
    externalIPs: unsupported('adds', 'More addresses by which it is reached.'),
    internalTrafficPolicy: unsupportedIf(
      'adds',
      (value) => value !== 'Cluster',
      '`Cluster` is what there is.',
    ),
    loadBalancerSourceRanges: unsupported('closes', 'Who may come in by a load balancer.'),
    sessionAffinity: unsupportedIf(
      'adds',
      (value) => value !== 'None',
      '`None` is what there is; `consistentHash` of a DestinationRule keeps callers on an instance.',
    ),
    sessionAffinityConfig: unsupported('adds', 'See `sessionAffinity`.'),
    trafficDistribution: unsupported(
      'adds',
      'Which instances are preferred; `localityLbSetting` of a DestinationRule says it too.',
    ),
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
  about:
    'A name, its ports and the Pods behind it. The annotation `networking.istio.io/exportTo` says which namespaces know it ([scoping.md](../scoping.md)).',
  fields: { spec: required(spec), status: meaningless() },
  annotations: { [exportToAnnotation]: annotatedExportTo },
};
