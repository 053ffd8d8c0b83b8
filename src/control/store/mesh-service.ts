/** What callers in the mesh may call: Services of Kubernetes, and the hosts of ServiceEntries in the same shape. */
import { type ExportTo, exportToAnnotation, splitWords } from '#model/export-to.ts';
import { clusterDomain } from '#model/host-name.ts';
import type { Service, ServicePort } from '#model/service.ts';
import type { ServiceEntry } from '#model/service-entry.ts';

export interface MeshService extends Pick<Service, 'metadata' | 'spec'> {
  /** Absent: a Service. */
  readonly entry?: EntryHost;
}

/** One host of a ServiceEntry. */
export interface EntryHost extends Omit<ServiceEntry['spec'], 'hosts' | 'ports' | 'workloadSelector'> {
  /** In lower case; `*.example.com` among others. */
  readonly host: string;
  /** Of the document. */
  readonly name: string;
  readonly origin: ServiceEntry['origin'];
}

/** By full host name: Services, then what ServiceEntries add to them. Of two of one host the first has it. */
export function meshServices(
  services: readonly Service[],
  entries: readonly ServiceEntry[],
): ReadonlyMap<string, MeshService> {
  const found = new Map<string, MeshService>(services.map((service) => [serviceHost(service), service]));
  for (const service of entries.flatMap(hostsOf)) {
    const host = serviceHost(service);
    if (!found.has(host)) found.set(host, service);
  }
  return found;
}

/** The full name. */
export function serviceHost({ metadata, entry }: MeshService): string {
  return entry?.host ?? `${metadata.name}.${metadata.namespace}.${clusterDomain}`;
}

/** Who sees it by its own word; undefined where it says nothing. */
export function saidExportTo({ metadata, entry }: MeshService): ExportTo | undefined {
  const said =
    entry === undefined ? splitWords(metadata.annotations[exportToAnnotation] ?? '') : entry.exportTo;
  return said === undefined || said.length === 0 ? undefined : said;
}

/** Whether it is outside of the mesh, where nobody takes mutual TLS unless a DestinationRule says so (Istio). */
export function isExternal({ entry }: MeshService): boolean {
  return entry?.location === 'MESH_EXTERNAL';
}

/** Whether its endpoint is the host that a request or a ClientHello names. */
export function isNamedByCaller({ entry }: MeshService): boolean {
  return entry?.resolution === 'DYNAMIC_DNS';
}

/** Kept for as long as the document: who remembers what it has made of a service finds it again. */
const hostsByEntry = new WeakMap<ServiceEntry, readonly MeshService[]>();

function hostsOf(document: ServiceEntry): readonly MeshService[] {
  const known = hostsByEntry.get(document);
  if (known !== undefined) return known;
  const { hosts, ports, workloadSelector, ...common } = document.spec;
  const spec: Service['spec'] = {
    selector: workloadSelector?.labels ?? {},
    ports: ports.map(({ number, name, protocol, targetPort }): ServicePort => {
      // The name does not say what is spoken; without a protocol it is found out (Istio).
      const spoken = protocol?.toLowerCase() ?? '';
      return {
        ...{ name, port: number, protocol: 'TCP', appProtocol: spoken },
        ...(targetPort !== undefined && { targetPort }),
      };
    }),
    type: 'ClusterIP',
    publishNotReadyAddresses: false,
  };
  const made = hosts.map((written): MeshService => {
    const host = written.toLowerCase();
    return {
      metadata: { ...document.metadata, name: host },
      spec,
      entry: { ...common, host, name: document.metadata.name, origin: document.origin },
    };
  });
  hostsByEntry.set(document, made);
  return made;
}
