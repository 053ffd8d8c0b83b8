/** What a workload that is no Pod says about itself in the metadata of its node, so that others can reach it. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import { parseIp } from '#core/ip-address.ts';
import type { Problem } from '#core/problem.ts';
import { list } from '#model/decode/collection.ts';
import { type Decoder, describeValue, Report } from '#model/decode/decoder.ts';
import { object, required } from '#model/decode/object.ts';
import { dnsName, oneOf, portNumber } from '#model/decode/scalar.ts';

export interface RegisteredPort {
  /** As the port of the service is called. */
  readonly name: string;
  /** Where the application listens. */
  readonly number: number;
  /** Where callers come to, at the first of the node's addresses. */
  readonly hostPort: number;
}

/** An instance of a service that no WorkloadGroup tells of. */
export interface ServiceRegistration {
  /** In the node's namespace. */
  readonly service: string;
  readonly ports: readonly RegisteredPort[];
}

export interface NodeRegistration {
  /** Where callers reach it: `INSTANCE_IPS`; absent there: the address in the node's id. */
  readonly addresses: readonly string[];
  /** `HEDDLE_INBOUND: BIND`: listeners are bound where callers come to, and nothing is captured. */
  readonly bindsInbound: boolean;
  /** `HEDDLE_HEALTH: REPORTED`: it says how its application is, and is no endpoint before it has. */
  readonly reportsHealth: boolean;
  /** `HEDDLE_REGISTRATION`. */
  readonly registration?: ServiceRegistration;
  /** `AUTO_REGISTER_GROUP`: name of the WorkloadGroup it is a member of (Istio). */
  readonly group?: string;
}

const port: Decoder<RegisteredPort> = object({
  name: required(dnsName('no dots')),
  number: required(portNumber),
  hostPort: required(portNumber),
});

const registration: Decoder<ServiceRegistration> = object(
  { service: required(dnsName('no dots')), ports: required(list(port, 1)) },
  ({ ports }, path, report) => {
    for (const field of ['name', 'number', 'hostPort'] as const) {
      const seen = new Set<string | number>();
      for (const [i, { [field]: value }] of ports.entries()) {
        if (seen.has(value)) report.error([...path, 'ports', i, field], `${value} is there twice`);
        seen.add(value);
      }
    }
  },
);

/** Comma-separated, as Istio writes it; a list as well. */
const addresses: Decoder<readonly string[]> = (value, path, report) => {
  const given = typeof value === 'string' ? value.split(',').map((one) => one.trim()) : value;
  if (!Array.isArray(given) || given.length === 0)
    return report.error(path, `addresses with commas between them are expected, not ${describeValue(value)}`);
  for (const one of given) {
    if (typeof one !== 'string' || parseIp(one) === undefined)
      return report.error(path, `${JSON.stringify(one)} is not an IP address`);
  }
  return given as string[];
};

/** @param problems gets an error for every field that is not as it should be, with its path. */
export function nodeRegistration(
  metadata: JsonObject,
  { role, address }: { readonly role: string | undefined; readonly address: string },
  problems: Problem[],
): NodeRegistration {
  const report = new Report({ resource: 'node', positionOf: () => undefined, allowUnsupported: false });
  const read = <T>(name: string, decode: Decoder<T>): T | undefined => {
    const value: JsonValue | undefined = metadata[name];
    // Istio's agents write what they do not have as an empty text.
    if (value === undefined || value === null || value === '') return undefined;
    return decode(value, ['node', 'metadata', name], report);
  };
  const group = read('AUTO_REGISTER_GROUP', dnsName('dots'));
  const service = read('HEDDLE_REGISTRATION', registration);
  const binds = read('HEDDLE_INBOUND', oneOf(['BIND'])) !== undefined;
  const reports = read('HEDDLE_HEALTH', oneOf(['REPORTED'])) !== undefined;
  const own = read('INSTANCE_IPS', addresses);
  const registers = has(metadata, 'AUTO_REGISTER_GROUP') || has(metadata, 'HEDDLE_REGISTRATION');
  const refuse = (name: string, message: string): void =>
    void report.error(['node', 'metadata', name], message);
  if (group !== undefined && service !== undefined)
    refuse('HEDDLE_REGISTRATION', 'excludes AUTO_REGISTER_GROUP: a workload is registered in one way');
  if (binds && !registers)
    refuse(
      'HEDDLE_INBOUND',
      'BIND needs HEDDLE_REGISTRATION or AUTO_REGISTER_GROUP, which say what is bound',
    );
  if (binds && !has(metadata, 'INSTANCE_IPS'))
    refuse('INSTANCE_IPS', 'is needed where HEDDLE_INBOUND is BIND: its first address is bound');
  for (const [i, { number, hostPort }] of (service?.ports ?? []).entries()) {
    if (binds || number === hostPort) continue;
    const path = ['node', 'metadata', 'HEDDLE_REGISTRATION', 'ports', i, 'hostPort'];
    report.error(path, `must be ${number}, as number: only where HEDDLE_INBOUND is BIND are they two ports`);
  }
  if (registers && role === 'router')
    refuse(service === undefined ? 'AUTO_REGISTER_GROUP' : 'HEDDLE_REGISTRATION', 'is for sidecars');
  problems.push(...report.problems.map(({ resource: _, ...problem }) => problem));
  return {
    addresses: own ?? [address],
    bindsInbound: binds,
    reportsHealth: reports,
    ...(service !== undefined && { registration: service }),
    ...(group !== undefined && { group }),
  };
}

/** Kubernetes' limit. */
const MAX_NAME_LENGTH = 253;

/**
 * Name of the WorkloadEntry that the node is registered as, in its namespace: `GROUP-ADDRESS[-NETWORK]` as Istio
 * makes it, and of an instance of a service its own. Undefined: it registers nothing.
 */
export function registeredName({
  group,
  registration,
  addresses,
  network,
  podName,
}: NodeRegistration & { readonly podName: string; readonly network?: string }): string | undefined {
  if (registration !== undefined) return podName;
  if (group === undefined) return undefined;
  const parts = [
    group,
    (addresses[0] ?? '').replaceAll(':', '-'),
    ...(network === undefined ? [] : [network]),
  ];
  // What tells one instance from another is at the end.
  return parts
    .join('-')
    .slice(-MAX_NAME_LENGTH)
    .replace(/^[-.]+/, '');
}

function has(metadata: JsonObject, name: string): boolean {
  return metadata[name] !== undefined && metadata[name] !== null && metadata[name] !== '';
}
