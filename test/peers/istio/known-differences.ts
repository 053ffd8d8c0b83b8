/** Where our decoders differ on purpose from the schemas that Istio publishes, and why. */
import { gatewayDifferences } from './gateway-differences.ts';
import { virtualServiceDifferences } from './virtual-service-differences.ts';

export interface KnownDifference {
  /** Absent: of any kind. */
  readonly kind?: string;
  /** Of the line that tells the difference. */
  readonly line: RegExp;
  readonly why: string;
}

const webhook = 'Istio refuses it too, by its webhook';

export const knownDifferences: readonly KnownDifference[] = [
  {
    line: /(hosts|addresses|subjectAltNames|gateways)\[\]: minLength is absent there and 1 here/,
    why: webhook,
  },
  { kind: 'ServiceEntry', line: /ports\[\]\.name: minLength/, why: webhook },
  { line: /: adds$/, why: 'not supported yet: a warning' },
  ...virtualServiceDifferences,
  ...gatewayDifferences,
  {
    kind: 'WorkloadGroup',
    line: /probe\.\w+: maximum is absent there and 2147483647 here/,
    why: 'it is an int32 in the schema of protobuf',
  },
  {
    kind: 'DestinationRule',
    line: /: (minimum is absent there and 0|maximum is absent there and (2147483647|100)) here/,
    why: `an int32; below 0, and percentages above 100: ${webhook}`,
  },
  { kind: 'DestinationRule', line: /(host|subsets\[\]\.name): minLength/, why: webhook },
  { kind: 'DestinationRule', line: /portLevelSettings\[\]\.port(\.number)?: /, why: webhook },
  {
    kind: 'DestinationRule',
    line: /(tableSize|minimumRingSize|aggression): maximum is absent there/,
    why: 'as far as a number goes; for the first two Envoy has a limit of its own',
  },
  {
    kind: 'DestinationRule',
    line: /httpCookie(\.attributes\[\])?\.name: minLength/,
    why: 'Envoy refuses an empty one',
  },
  { kind: 'DestinationRule', line: /tunnel\.(protocol|targetHost|targetPort): /, why: webhook },
  { kind: 'Sidecar', line: /egress\[\]\.hosts: minItems|egressProxy\.(host|port\.number): /, why: webhook },
  { kind: 'Sidecar', line: /gress\[\]\.port\.number: /, why: webhook },
  { kind: 'Sidecar', line: /port\.targetPort: meaningless$/, why: 'ports lead to no other ports' },
  {
    kind: 'Sidecar',
    line: /[cC]onnectionPool\..*: m(inimum is absent there and 0|aximum is absent there and 2147483647) here/,
    why: `an int32; below 0: ${webhook}`,
  },
  { kind: 'ProxyConfig', line: /concurrency: maximum/, why: 'it is an int32 in the schema of protobuf' },
  { kind: 'ProxyConfig', line: /image: meaningless$/, why: 'there are no images of proxies' },
  {
    kind: 'EnvoyFilter',
    line: /(applyTo|operation|patch): (INVALID is no word|is required) here/,
    why: webhook,
  },
  { kind: 'EnvoyFilter', line: /priority: (minimum|maximum) is absent/, why: 'it is an int32' },
  { kind: 'WorkloadGroup', line: /exec\.command: minItems/, why: 'there would be nothing to run' },
  { kind: 'WorkloadGroup', line: /grpc\.port: is required/, why: 'there would be nobody to ask' },
  { kind: 'WorkloadGroup', line: /httpHeaders\[\]\.name: is required/, why: 'a header has a name' },
  {
    kind: 'WorkloadGroup',
    line: /httpGet\.scheme: HTTPS? is no word there/,
    why: 'there it is a rule in CEL',
  },
];

/** Rules that may still be broken, by kind: what follows the path of `spec`, and the rule. */
export const notRefusedYet: readonly { readonly kind: string; readonly line: RegExp }[] = [
  { kind: 'Gateway', line: /(targetPort|defaultEndpoint): / },
  { kind: 'Sidecar', line: /targetPort: / },
  { kind: 'ProxyConfig', line: /image/ },
];
