/** Istio `ServiceEntry`: hosts that no Service of Kubernetes stands for, most of them outside the mesh. */
import { isIpRange, parseIp } from '#core/ip-address.ts';
import { atMost } from './decode/at-most.ts';
import { list, mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required } from './decode/object.ts';
import { nonEmptyText, oneOf, portNumber, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { type ExportTo, entryExportTo } from './export-to.ts';
import { hostName } from './host-name.ts';
import { labelKey, labelValue } from './istio-selector.ts';
import type { KindDefinition } from './kind.ts';
import type { Labels, ResourceBase } from './metadata.ts';
import { checkServiceEntry } from './service-entry-check.ts';
import { entrySpec, type WorkloadEntrySpec } from './workload-entry.ts';

/**
 * How endpoints are found: where a connection was made to; those written; by DNS, beforehand (all addresses, or one by
 * one) or when a request or a ClientHello names the host.
 */
export type EntryResolution = (typeof resolutions)[number];

const resolutions = ['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'] as const;

export interface EntryPort {
  readonly number: number;
  readonly name: string;
  /** As written, such as `HTTPS`; absent: taken to be TCP. */
  readonly protocol?: string;
  /** Of the endpoints; absent: the same. */
  readonly targetPort?: number;
}

export interface ServiceEntrySpec {
  /** Names of DNS, `*.example.com` among them. */
  readonly hosts: readonly string[];
  /** IP addresses and ranges (`10.0.0.0/8`) that connections to the hosts are made to; empty: Heddle gives one. */
  readonly addresses: readonly string[];
  readonly ports: readonly EntryPort[];
  /** Endpoints of `MESH_INTERNAL` may take mutual TLS. */
  readonly location: 'MESH_EXTERNAL' | 'MESH_INTERNAL';
  readonly resolution: EntryResolution;
  readonly endpoints: readonly WorkloadEntrySpec[];
  /** Of the workloads of the own namespace that are endpoints. */
  readonly workloadSelector?: { readonly labels: Labels };
  /** What the certificate of an endpoint may be for, besides what is known of the endpoints; empty: nothing. */
  readonly subjectAltNames: readonly string[];
  readonly exportTo?: ExportTo;
}

export type ServiceEntry = ResourceBase<'ServiceEntry', ServiceEntrySpec>;

/** Istio's, besides those of the data path that carry no TCP. */
const protocols: readonly string[] = [
  ...['HTTP', 'HTTP2', 'GRPC', 'GRPC-WEB', 'HTTPS', 'TLS', 'TCP', 'MONGO', 'MYSQL', 'REDIS'],
];

const host: Decoder<string> = refined(hostName, (decoded, path, report) => {
  if (decoded !== '*') return decoded;
  return report.error(
    path,
    'the host * would be every host there is',
    'name a domain, such as *.example.com',
  );
});

const address: Decoder<string> = refined(atMost(64, nonEmptyText), (decoded, path, report) => {
  if (isIpRange(decoded)) return decoded;
  return report.error(
    path,
    `${JSON.stringify(decoded)} is neither an IP address nor a range such as 10.0.0.0/8`,
  );
});

const portName: Decoder<string> = refined(atMost(256, nonEmptyText), (decoded, path, report) => {
  if (/^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/.test(decoded)) return decoded;
  return report.error(path, `${JSON.stringify(decoded)} is not a name of a port (letters, digits, "-")`);
});

const protocol: Decoder<string> = refined(atMost(256, text), (decoded, path, report) => {
  const upper = decoded.toUpperCase();
  if (upper === '') return upper;
  if (upper === 'UDP') return report.error(path, 'UDP is not carried by the mesh', 'leave the port out');
  return oneOf(protocols)(upper, path, report);
});

const port: Decoder<EntryPort> = object({
  number: required(portNumber, 'That applications call.'),
  name: required(portName, 'Unique in the entry; letters, digits and `-`.'),
  protocol: optional(
    protocol,
    'HTTP, HTTP2, GRPC, GRPC-Web, HTTPS, TLS, TCP, MONGO, MYSQL or REDIS. Without it the first bytes of each connection say.',
  ),
  targetPort: optional(portNumber, 'Of the endpoints, where it is another.'),
});

const fields = {
  hosts: required(
    atMost(256, list(host, 1)),
    'Names that applications call, such as `api.example.com` or `*.example.com`; not `*`.',
  ),
  addresses: defaulted(
    atMost(256, list(address)),
    [],
    'IP addresses, or ranges such as `10.0.0.0/8`, that connections to the hosts are made to. Without any, the names are given one ' +
      'where traffic is captured.',
  ),
  ports: defaulted(atMost(256, list(port)), [], 'Ports of the hosts.'),
  location: defaulted(
    oneOf(['MESH_EXTERNAL', 'MESH_INTERNAL']),
    'MESH_EXTERNAL',
    'Endpoints of `MESH_INTERNAL` may take mutual TLS.',
  ),
  resolution: defaulted(
    oneOf(resolutions),
    'NONE',
    'How endpoints are found: `NONE`, where the connection was made to; `STATIC`, those written or selected; `DNS`, all addresses of ' +
      'their names; `DNS_ROUND_ROBIN`, the first address; `DYNAMIC_DNS`, the host that each request or ClientHello names.',
  ),
  endpoints: defaulted(
    atMost(4096, list(entrySpec)),
    [],
    'Where the hosts are; not together with `workloadSelector`.',
  ),
  workloadSelector: optional(
    object({
      labels: defaulted(
        atMost(256, mapOf(labelValue, labelKey)),
        {},
        'Labels that Pods and WorkloadEntries must have, all of them; no wildcards.',
      ),
    }),
    'Workloads of the namespace that are the endpoints, with resolution `STATIC` or `DNS`.',
  ),
  exportTo: entryExportTo,
  subjectAltNames: defaulted(
    list(nonEmptyText),
    [],
    'Names one of which the certificate of an endpoint must have, where the proxy begins TLS.',
  ),
} as const;

const spec: Decoder<ServiceEntrySpec> = object(fields, (decoded, path, report) => {
  checkServiceEntry(decoded, path, report);
});

export const serviceEntryKind: KindDefinition<ServiceEntry> = {
  kind: 'ServiceEntry',
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  scope: 'namespace',
  about:
    'Hosts that no Service of Kubernetes stands for, most of them outside the mesh ([external-services.md](../external-services.md)).',
  fields: { spec: required(spec), status: meaningless() },
};

/** Whether it stands for every name below a domain. */
export function isWildcardHost(host: string): boolean {
  return host.startsWith('*');
}

/** Whether an address is one, and not a range of them. */
export function isSingleAddress(address: string): boolean {
  return parseIp(address) !== undefined;
}
