/** The documents of one set, looked up by what others call them. */
import { clusterDomain, coversHost, fullHostName } from '../host-name.ts';
import { type Labels, selects } from '../metadata.ts';
import type { AnalysisDocument } from './document.ts';
import { asLabels, asNumber, asObject, asObjects, asText, asTexts, type Raw, valueAt } from './loose.ts';

/** A Pod, or what makes Pods of a template. */
export interface Workload {
  readonly document: AnalysisDocument;
  readonly namespace: string;
  /** Of the Pods. */
  readonly labels: Labels;
  readonly annotations: Labels;
  /** Of the Pods. */
  readonly spec: Raw;
  /** Steps to the spec of the Pods. */
  readonly path: readonly string[];
}

export interface WorldOptions {
  /** Istio's MeshConfig; absent: that of the ConfigMap `istio`. */
  readonly meshConfig?: Raw;
  /** Parses a text in a ConfigMap; undefined where it is not YAML. */
  parse(text: string): unknown;
}

const istioNetworking = 'networking.istio.io';
const rootNamespace = 'istio-system';

/** What `heddle up` and Istio's own chart bring along: labels of the ingress gateway. */
const ingressGateway: Labels = { app: 'istio-ingressgateway', istio: 'ingressgateway' };

const withTemplate: readonly string[] = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job', 'ReplicaSet'];

export class World {
  readonly documents: readonly AnalysisDocument[];
  readonly workloads: readonly Workload[];
  readonly meshConfig: Raw;
  /** Of Istio's injector; undefined where its ConfigMap is not there. */
  readonly injectorValues: Raw | undefined;
  readonly meshNetworks: { readonly document: AnalysisDocument; readonly networks: Raw } | undefined;
  readonly rootNamespace: string = rootNamespace;
  readonly #byKind: ReadonlyMap<string, readonly AnalysisDocument[]>;
  readonly #named: ReadonlyMap<string, AnalysisDocument>;
  readonly #services: ReadonlyMap<string, AnalysisDocument>;
  readonly #servicesByNamespace: ReadonlyMap<string, readonly AnalysisDocument[]>;
  /** Exact hosts of ServiceEntries. */
  readonly #entered: ReadonlyMap<string, AnalysisDocument>;
  readonly #wildcards: readonly string[];
  readonly #byNamespace: ReadonlyMap<string, readonly Workload[]>;

  constructor(documents: readonly AnalysisDocument[], options: WorldOptions) {
    this.documents = documents;
    this.#byKind = Map.groupBy(documents, ({ group, kind }) => `${group}/${kind}`);
    this.#named = new Map(
      documents.toReversed().map((one) => [`${one.group}/${one.kind} ${one.namespace}/${one.name}`, one]),
    );
    this.#servicesByNamespace = Map.groupBy(this.of('', 'Service'), ({ namespace }) => namespace);
    this.#services = new Map(
      this.of('', 'Service').map((one) => [`${one.name}.${one.namespace}.${clusterDomain}`, one]),
    );
    const hosts = this.of(istioNetworking, 'ServiceEntry').flatMap((entry) =>
      asTexts(entry.spec.hosts).map((host) => [host.toLowerCase(), entry] as const),
    );
    this.#entered = new Map(hosts.toReversed());
    this.#wildcards = hosts.map(([host]) => host).filter((host) => host.startsWith('*'));
    this.workloads = documents.flatMap(workloadOf);
    this.#byNamespace = Map.groupBy(this.workloads, ({ namespace }) => namespace);
    const settings = this.#configMap('istio');
    const read = (text: unknown): Raw => asObject(typeof text === 'string' ? options.parse(text) : undefined);
    this.meshConfig = options.meshConfig ?? read(valueAt(settings?.raw, 'data', 'mesh'));
    const networks = valueAt(settings?.raw, 'data', 'meshNetworks');
    this.meshNetworks =
      settings === undefined || networks === undefined
        ? undefined
        : { document: settings, networks: read(networks) };
    const injector = this.#configMap('istio-sidecar-injector');
    this.injectorValues = injector === undefined ? undefined : read(valueAt(injector.raw, 'data', 'values'));
  }

  /** @param group without version */
  of(group: string, kind: string): readonly AnalysisDocument[] {
    return this.#byKind.get(`${group}/${kind}`) ?? [];
  }

  istio(kind: string): readonly AnalysisDocument[] {
    return this.of(istioNetworking, kind);
  }

  named(group: string, kind: string, namespace: string, name: string): AnalysisDocument | undefined {
    return this.#named.get(`${group}/${kind} ${namespace}/${name}`);
  }

  namespace(name: string): AnalysisDocument | undefined {
    return this.named('', 'Namespace', '', name);
  }

  workloadsIn(namespace: string): readonly Workload[] {
    return this.#byNamespace.get(namespace) ?? [];
  }

  /** @param namespace absent: of any. An empty selector selects all of them. */
  selected(selector: Labels, namespace?: string): readonly Workload[] {
    const inReach = namespace === undefined ? this.workloads : this.workloadsIn(namespace);
    return inReach.filter(({ labels }) => selects(selector, labels));
  }

  /** Whether a selector takes the ingress gateway that is there without a document. */
  selectsIngress(selector: Labels): boolean {
    return selects(selector, ingressGateway);
  }

  get services(): readonly AnalysisDocument[] {
    return [...this.#services.values()];
  }

  servicesIn(namespace: string): readonly AnalysisDocument[] {
    return this.#servicesByNamespace.get(namespace) ?? [];
  }

  /** Whether nothing is known that could be called, so that nothing is missed. */
  get hasNoHosts(): boolean {
    return this.#services.size === 0 && this.#entered.size === 0;
  }

  /** Full name of `host` as a document of `namespace` means it. */
  fullName(host: string, namespace: string): string {
    return fullHostName(host, namespace, (full) => this.#services.has(full));
  }

  service(full: string): AnalysisDocument | undefined {
    return this.#services.get(full);
  }

  /** The Service or ServiceEntry behind a full name; for a name below a wildcard, any that has it. */
  knows(full: string): boolean {
    return (
      this.#services.has(full) ||
      this.#entered.has(full) ||
      this.#wildcards.some((wide) => coversHost(wide, full))
    );
  }

  /** Numbers of the ports of a Service or a host of a ServiceEntry; undefined where there is none of that name. */
  portsOf(full: string): readonly number[] | undefined {
    const service = this.#services.get(full);
    if (service !== undefined)
      return asObjects(service.spec.ports).flatMap(({ port }) => asNumber(port) ?? []);
    const entry = this.#entered.get(full);
    return entry && asObjects(entry.spec.ports).flatMap(({ number }) => asNumber(number) ?? []);
  }

  /** Full names of everything that can be called, for suggestions. */
  get hostNames(): readonly string[] {
    return [...this.#services.keys(), ...this.#entered.keys()];
  }

  #configMap(name: string): AnalysisDocument | undefined {
    return this.named('', 'ConfigMap', rootNamespace, name);
  }
}

function workloadOf(document: AnalysisDocument): Workload[] {
  const { kind, group, namespace } = document;
  if (kind === 'Pod' && group === '') {
    const { labels, annotations, spec } = document;
    return [{ document, namespace, labels, annotations, spec, path: ['spec'] }];
  }
  if (!withTemplate.includes(kind)) return [];
  const template = asObject(document.spec.template);
  const metadata = asObject(template.metadata);
  const labels = asLabels(metadata.labels);
  return [
    {
      document,
      namespace,
      labels: kind === 'Job' ? { ...labels, 'job-name': document.name } : labels,
      annotations: asLabels(metadata.annotations),
      spec: asObject(template.spec),
      path: ['spec', 'template', 'spec'],
    },
  ];
}

/** The labels by which an Istio document selects workloads; undefined where it selects all of its namespace. */
export function selectorOf(document: AnalysisDocument): Labels | undefined {
  const { selector, workloadSelector } = document.spec;
  const labels =
    asObject(selector).matchLabels ??
    asObject(workloadSelector).labels ??
    asObject(workloadSelector).matchLabels;
  const found = asLabels(labels);
  return Object.keys(found).length === 0 ? undefined : found;
}

/** Names of the containers of Pods, the first ones too. */
export function containersOf({ spec }: Workload): readonly Raw[] {
  return [...asObjects(spec.initContainers), ...asObjects(spec.containers)];
}

/** Whether a `Kind` of a gateway class made by a controller; its name is the controller's. */
export const kubernetesGatewayLabel = 'gateway.networking.k8s.io/gateway-name';

export function imageOf(container: Raw): string {
  return asText(container.image) ?? '';
}
