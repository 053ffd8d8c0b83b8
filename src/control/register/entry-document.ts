/** The entries of workloads that register themselves, as documents: what is kept of them is what is shown of them. */
import { formatProblem, type Parsed } from '#core/problem.ts';
import { loadDocuments } from '#model/load.ts';
import type { Labels } from '#model/metadata.ts';
import type { Service } from '#model/service.ts';
import {
  type EntryCondition,
  HEALTHY,
  healthChecksAnnotation,
  type WorkloadEntry,
  type WorkloadEntrySpec,
} from '#model/workload-entry.ts';
import { labelsOfMembers, serviceAccountOfGroup, type WorkloadGroup } from '#model/workload-group.ts';
import { boundPortsAnnotation, groupAnnotation, workloadAnnotation } from '../store/instance.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ProxyNode } from '../translate/node.ts';
import type { ServiceRegistration } from '../translate/node-registration.ts';
import { entryPorts } from './service-fit.ts';

export interface EntryDocument {
  readonly apiVersion: string;
  readonly kind: 'WorkloadEntry';
  readonly metadata: {
    readonly name: string;
    readonly namespace: string;
    readonly labels: Labels;
    readonly annotations: Labels;
  };
  readonly spec: Partial<WorkloadEntrySpec>;
  readonly status: { readonly conditions: readonly EntryCondition[] };
}

/** Who serves its streams (Istio's annotations). */
export const controllerAnnotation = 'istio.io/workloadController';
/** ISO 8601. */
export const connectedAnnotation = 'istio.io/connectedAt';
export const disconnectedAnnotation = 'istio.io/disconnectedAt';
/** What a node said that is an instance of a service. */
const registrationAnnotation = 'heddle.dev/registration';
/** Of a Service that nobody wrote: it is there for those that are registered for it. */
const madeAnnotation = 'heddle.dev/made-for-registrations';

/** @param name of the entry */
export function groupEntry(name: string, group: WorkloadGroup, node: ProxyNode): EntryDocument {
  const { metadata, template, probe } = group.spec;
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: {
      name,
      namespace: node.namespace,
      // The node's own come last: what it says of itself is the most exact (Istio).
      labels: { ...labelsOfMembers(group), ...node.labels },
      annotations: {
        ...metadata.annotations,
        [groupAnnotation]: group.metadata.name,
        ...((probe !== undefined || node.reportsHealth) && { [healthChecksAnnotation]: 'true' }),
      },
    },
    spec: {
      ...template,
      serviceAccount: serviceAccountOfGroup(group),
      ...placeOf(node),
    },
    status: { conditions: [] },
  };
}

/** @param service undefined where one is made: it selects by the label `app` */
export function serviceEntry(
  name: string,
  registration: ServiceRegistration,
  node: ProxyNode,
  serviceAccount: string,
  service: MeshService | undefined,
): EntryDocument {
  const selector = service?.spec.selector ?? madeSelector(registration.service);
  const bound = registration.ports.map(({ hostPort, number }) => [hostPort, number]);
  return {
    apiVersion: 'networking.istio.io/v1',
    kind: 'WorkloadEntry',
    metadata: {
      name,
      namespace: node.namespace,
      labels: { ...node.labels, ...selector },
      annotations: {
        [registrationAnnotation]: JSON.stringify(registration),
        [workloadAnnotation]: node.workloadName ?? registration.service,
        [boundPortsAnnotation]: JSON.stringify(Object.fromEntries(bound)),
        ...(node.reportsHealth && { [healthChecksAnnotation]: 'true' }),
      },
    },
    spec: { ports: entryPorts(registration, service), serviceAccount, ...placeOf(node) },
    status: { conditions: [] },
  };
}

function placeOf({ addresses, network, locality }: ProxyNode): Partial<WorkloadEntrySpec> {
  const [address] = addresses;
  return {
    ...(address !== undefined && { address }),
    ...(network !== undefined && { network }),
    ...(locality !== undefined && { locality }),
  };
}

function madeSelector(service: string): Labels {
  return { app: service };
}

/** What the node said whose entry it is; undefined for members of groups. */
export function registrationOf(document: EntryDocument): ServiceRegistration | undefined {
  const written = document.metadata.annotations[registrationAnnotation];
  if (written === undefined) return undefined;
  const known = registrations.get(document);
  if (known !== undefined) return known;
  const read = JSON.parse(written) as ServiceRegistration;
  registrations.set(document, read);
  return read;
}

/** Of all others, each time somebody registers. */
const registrations = new WeakMap<EntryDocument, ServiceRegistration>();

/** Whether a Service is there for those alone that are registered for it. */
export function isMade({ metadata }: Pick<MeshService, 'metadata'>): boolean {
  return metadata.annotations[madeAnnotation] !== undefined;
}

/** The Service that nobody wrote. Its ports have the numbers of the application's. */
export function madeService(namespace: string, { service, ports }: ServiceRegistration): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: service, namespace, annotations: { [madeAnnotation]: 'true' } },
    spec: {
      selector: madeSelector(service),
      ports: ports.map(({ name, number }) => ({ name, port: number })),
    },
  };
}

/** The same entry with other annotations; undefined takes one away. */
export function annotated(
  document: EntryDocument,
  changes: Readonly<Record<string, string | undefined>>,
): EntryDocument {
  const all = Object.entries({ ...document.metadata.annotations, ...changes });
  const annotations = Object.fromEntries(
    all.filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
  return { ...document, metadata: { ...document.metadata, annotations } };
}

/** @param failure why it is not healthy; undefined: it is. @param now ISO 8601 */
export function withHealth(document: EntryDocument, failure: string | undefined, now: string): EntryDocument {
  const status = failure === undefined ? 'True' : 'False';
  const before = document.status.conditions.find(({ type }) => type === HEALTHY);
  const since = before?.status === status ? before.lastTransitionTime : undefined;
  const condition: EntryCondition = {
    type: HEALTHY,
    status,
    lastTransitionTime: since ?? now,
    ...(failure !== undefined && { message: failure }),
  };
  // Who once says how it is, is asked for it from then on.
  const checked = annotated(document, { [healthChecksAnnotation]: 'true' });
  return { ...checked, status: { conditions: [condition] } };
}

/** What the mesh makes of a document. @param file where it is kept */
export function decodeEntry(document: EntryDocument, file: string): Parsed<WorkloadEntry> {
  const { resources, problems } = loadDocuments([{ file, text: JSON.stringify(document) }]);
  const [entry] = resources;
  return entry?.kind === 'WorkloadEntry' ? { ok: true, value: entry, problems } : { ok: false, problems };
}

/** In the words of the loader; a bug where it has something to complain about. */
export function decodeService(document: object, file: string): Service {
  const { resources, problems } = loadDocuments([{ file, text: JSON.stringify(document) }]);
  const [service] = resources;
  if (service?.kind !== 'Service') throw new Error(problems.map(formatProblem).join('; '));
  return service;
}
