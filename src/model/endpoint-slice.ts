/** Kubernetes `EndpointSlice` (discovery.k8s.io/v1): what stands behind a Service that selects nothing itself. */
import { parseIp } from '#core/ip-address.ts';
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required } from './decode/object.ts';
import { boolean, dnsName, nonEmptyText, oneOf, portNumber, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import type { KindDefinition } from './kind.ts';
import type { Labels, ResourceBase } from './metadata.ts';

export interface SliceEndpoint {
  /** IP addresses, any of which will do; of a slice of names, names. */
  readonly addresses: readonly string[];
  /** Absent: it is. */
  readonly ready?: boolean;
  /** Its own name under a headless service. */
  readonly hostname?: string;
  readonly nodeName?: string;
  readonly zone?: string;
}

export interface SlicePort {
  /** Of the Service's port; empty: of one without a name. */
  readonly name: string;
  /** Absent: none is said, and the endpoint has no such port. */
  readonly port?: number;
}

/** Its fields stand beside `metadata`. */
export interface EndpointSlice extends ResourceBase<'EndpointSlice', undefined> {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN';
  readonly endpoints: readonly SliceEndpoint[];
  readonly ports: readonly SlicePort[];
}

/** Names the Service, which is of the same namespace. */
const serviceLabel = 'kubernetes.io/service-name';

export function serviceOfSlice({ metadata }: { readonly metadata: { readonly labels: Labels } }): string {
  return metadata.labels[serviceLabel] ?? '';
}

const conditions = object({
  ready: optional(boolean, 'Whether it takes requests; absent: it does.'),
  serving: meaningless('`ready` says it.'),
  terminating: meaningless('`ready` says it.'),
});

const forPlacing = 'Which callers it is for: `localityLbSetting` of a DestinationRule says it.';

const written = object({
  addresses: required(list(nonEmptyText, 1), 'Where it is: each of them is an endpoint.'),
  conditions: defaulted<{ readonly ready?: boolean }>(conditions, {}, 'How it is.'),
  hostname: optional(dnsName('no dots'), 'Its own name under a headless Service.'),
  nodeName: optional(nonEmptyText, 'The Node whose labels say where it is.'),
  zone: optional(text, 'The zone it is in, where the Node is not known.'),
  targetRef: meaningless('The Pod is known by its address.'),
  hints: meaningless(forPlacing),
  deprecatedTopology: meaningless('`zone` and `nodeName` took its place.'),
});

const endpoint: Decoder<SliceEndpoint> = refined(written, ({ conditions: said, ...rest }) => ({
  ...rest,
  ...(said.ready !== undefined && { ready: said.ready }),
}));

const port: Decoder<SlicePort> = object({
  name: defaulted(text, '', 'Of the port of the Service.'),
  port: optional(portNumber, 'Where endpoints have it; absent: they have none.'),
  protocol: meaningless('The Service says it.'),
  appProtocol: meaningless('The Service says it.'),
});

function check(slice: EndpointSlice, report: Report): void {
  const { addressType, endpoints } = slice;
  if (serviceOfSlice(slice) === '') {
    const fix = `add the label ${serviceLabel}: NAME`;
    report.warning(['metadata', 'labels'], 'it is of no Service, and has no effect', fix);
  }
  if (addressType === 'FQDN') {
    report.warning(['addressType'], 'names have no effect, in Istio neither', 'write a ServiceEntry');
    return;
  }
  const size = addressType === 'IPv4' ? 4 : 16;
  for (const [index, { addresses }] of endpoints.entries())
    for (const [at, address] of addresses.entries())
      checkAddress(address, addressType, size, ['endpoints', index, 'addresses', at], report);
}

function checkAddress(address: string, family: string, size: number, path: Path, report: Report): void {
  if (parseIp(address)?.length === size) return;
  report.error(path, `${JSON.stringify(address)} is no address of ${family}`);
}

export const endpointSliceKind: KindDefinition<EndpointSlice> = {
  kind: 'EndpointSlice',
  group: 'discovery.k8s.io',
  versions: ['v1'],
  scope: 'namespace',
  about:
    'What stands behind a Service without `selector`, by the label `kubernetes.io/service-name`. Behind others are Pods and WorkloadEntries, whatever a slice says.',
  fields: {
    addressType: required(oneOf(['IPv4', 'IPv6', 'FQDN']), 'What addresses are; names have no effect.'),
    endpoints: defaulted(list(endpoint), [], 'Those that there are.'),
    ports: defaulted(list(port), [], 'Where they are reached.'),
  },
  check,
};
