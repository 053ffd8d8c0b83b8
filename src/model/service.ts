/** Kubernetes `Service` (v1): a name, its ports and the pods behind it. */
import { list, mapOf } from './decode/collection.ts';
import { type Decoder, describeValue } from './decode/decoder.ts';
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
  readonly type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' | 'ExternalName';
  /** Of `ExternalName`: what the service is another name for. */
  readonly externalName?: string;
  /** Pods that are not ready are endpoints too. */
  readonly publishNotReadyAddresses: boolean;
}

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

const spec: Decoder<ServiceSpec> = object(
  {
    selector: defaulted(mapOf(text), {}),
    ports: defaulted(list(port), []),
    clusterIP: optional(text),
    type: defaulted(oneOf(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']), 'ClusterIP'),
    externalName: optional(externalName),
    publishNotReadyAddresses: defaulted((value) => value === true, false),
    // Addresses and ways in from outside: processes of one machine have none of them.
    clusterIPs: meaningless(),
    ipFamilies: meaningless(),
    ipFamilyPolicy: meaningless(),
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
  ({ ports }, path, report) => {
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
};
