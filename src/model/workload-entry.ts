/** Istio `WorkloadEntry`: one instance of a workload that is not a Pod, such as a process of a virtual machine. */
import { parseIp } from '#core/ip-address.ts';
import { atMost } from './decode/at-most.ts';
import { list, mapOf } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { defaulted, meaningless, object, optional, required } from './decode/object.ts';
import { dnsName, integer, nonEmptyText, oneOf, portNumber, text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import type { KindDefinition } from './kind.ts';
import { type Labels, labels, type ResourceBase } from './metadata.ts';

export interface WorkloadEntrySpec {
  /** An IP address, a name of DNS, or `unix://` and a path; absent: only its network is known. */
  readonly address?: string;
  /** By name of the port of a service: where this instance has it, if elsewhere than the service says. */
  readonly ports: Readonly<Record<string, number>>;
  readonly labels: Labels;
  readonly network?: string;
  /** `REGION/ZONE/SUBZONE`, the later parts may be left out. */
  readonly locality?: string;
  /** Relative to others behind the same service. */
  readonly weight: number;
  /** That its certificate names; absent: nobody knows. */
  readonly serviceAccount?: string;
}

export interface EntryCondition {
  readonly type: string;
  readonly status: 'True' | 'False' | 'Unknown';
  /** ISO 8601. */
  readonly lastTransitionTime?: string;
  /** Why. */
  readonly message?: string;
}

export interface WorkloadEntry extends ResourceBase<'WorkloadEntry', WorkloadEntrySpec> {
  readonly status: { readonly conditions: readonly EntryCondition[] };
}

/** `true`: it is an endpoint only while somebody says that it is healthy (Istio). */
export const healthChecksAnnotation = 'proxy.istio.io/health-checks-enabled';
/** The condition that says so. */
export const HEALTHY = 'Healthy';

const MAX_WEIGHT = 2 ** 32 - 1;
/** Begins a path of a socket instead of an address. */
export const UNIX = 'unix://';

const fqdn = dnsName('dots');

const address: Decoder<string> = refined(atMost(256, nonEmptyText), (written, path, report) => {
  if (written.startsWith(UNIX)) {
    const socket = written.slice(UNIX.length);
    if (!/^[/@]/.test(socket))
      return report.error(path, 'the path of a socket must be absolute, or begin with @');
    return socket.endsWith('/') ? report.error(path, 'a socket is needed, not a folder') : written;
  }
  return parseIp(written) === undefined ? fqdn(written, path, report) : written;
});

const portName: Decoder<string> = (value, path, report) =>
  typeof value === 'string' && value.length < 63 && /^[a-zA-Z0-9](?:[-a-zA-Z0-9]*[a-zA-Z0-9])?$/.test(value)
    ? value
    : report.error(path, `${JSON.stringify(value)} is not a name of a port (letters, digits, "-")`);

const locality: Decoder<string> = refined(atMost(2048, nonEmptyText), (written, path, report) => {
  const parts = written.split('/');
  return parts.length > 3 || parts.includes('')
    ? report.error(path, `${JSON.stringify(written)} is not REGION, REGION/ZONE or REGION/ZONE/SUBZONE`)
    : written;
});

const entryFields = {
  address: optional(
    address,
    'An IP address, a name of DNS, or `unix://` and an absolute path. May be absent where `network` is told.',
  ),
  ports: defaulted(
    atMost(128, mapOf(portNumber, portName)),
    {},
    'By name of the port of a service: where this instance has it, if elsewhere than the service says.',
  ),
  labels: defaulted(atMost(256, labels), {}, 'Those of `metadata` win.'),
  network: optional(
    atMost(2048, nonEmptyText),
    'No effect here: all are taken to be in one network. It stands for an address that is not known.',
  ),
  locality: optional(locality, '`REGION/ZONE/SUBZONE`; the later parts may be left out.'),
  weight: defaulted<number>(
    refined(integer(0, MAX_WEIGHT), (weight) => weight || 1),
    1,
    'Relative to others behind the same service; 0 is 1.',
  ),
  serviceAccount: optional(
    atMost(253, dnsName('dots')),
    'That its certificate names: callers accept no other.',
  ),
} as const;

/** What entries may have in common. */
export const entryTemplate: Decoder<WorkloadEntrySpec> = object(entryFields, checkSocket);

/** Of an entry, and of an endpoint of a ServiceEntry. */
export const entrySpec: Decoder<WorkloadEntrySpec> = object(entryFields, (spec, path, report) => {
  if (spec.address === undefined && spec.network === undefined)
    report.error([...path, 'address'], 'is needed: an IP address, such as 10.0.0.7');
  checkSocket(spec, path, report);
});

function checkSocket(spec: Pick<WorkloadEntrySpec, 'address' | 'ports'>, path: Path, report: Report): void {
  if (spec.address?.startsWith(UNIX) === true && Object.keys(spec.ports).length > 0)
    report.error([...path, 'ports'], 'a Unix socket has no ports');
}

const condition: Decoder<EntryCondition> = object({
  type: required(text, '`Healthy` is looked at.'),
  status: required(oneOf(['True', 'False', 'Unknown']), 'Whether it holds.'),
  lastTransitionTime: optional(text, 'For who reads it.'),
  message: optional(text, 'For who reads it.'),
  lastProbeTime: meaningless('For who reads it.'),
  observedGeneration: meaningless('For who reads it.'),
  reason: meaningless('For who reads it.'),
});

export const workloadEntryKind: KindDefinition<WorkloadEntry> = {
  kind: 'WorkloadEntry',
  group: 'networking.istio.io',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  scope: 'namespace',
  about: 'One instance of a workload that is not a Pod ([registration.md](../registration.md)).',
  fields: {
    spec: required(entrySpec),
    status: defaulted(
      object({
        conditions: defaulted(
          list(condition),
          [],
          'Of an entry whose health is checked, which its annotation says: it is an endpoint while `Healthy` is `True`.',
        ),
        observedGeneration: meaningless('For who reads it.'),
        validationMessages: meaningless('For who reads it.'),
      }),
      { conditions: [] },
    ),
  },
};

/** Those of its metadata win over those of its spec (Istio). */
export function labelsOfEntry({ metadata, spec }: WorkloadEntry): Labels {
  return { ...spec.labels, ...metadata.labels };
}

/** Whether it may be sent to. */
export function isHealthy({ metadata, status }: WorkloadEntry): boolean {
  if (metadata.deletionTimestamp !== undefined) return false;
  if (metadata.annotations[healthChecksAnnotation] !== 'true') return true;
  return status.conditions.some((one) => one.type === HEALTHY && one.status === 'True');
}
