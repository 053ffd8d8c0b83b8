/** The resources of one set, looked up by what others call them. */
import { didYouMean } from '#core/did-you-mean.ts';
import type { DestinationRule } from '../destination-rule.ts';
import type { Gateway } from '../gateway.ts';
import { clusterDomain, coversHost, fullHostName } from '../host-name.ts';
import type { Ingress } from '../ingress.ts';
import type { Kind, Resource, ResourceByKind } from '../kinds.ts';
import type { Labels } from '../metadata.ts';
import type { ResiliencePolicy } from '../resilience-policy.ts';
import type { Service } from '../service.ts';
import type { ServiceEntry } from '../service-entry.ts';
import type { VirtualService } from '../virtual-service.ts';
import { isWorkload, labelsOfPods } from '../workload.ts';
import { labelsOfEntry, type WorkloadEntry } from '../workload-entry.ts';
import { labelsOfMembers } from '../workload-group.ts';

export class Surroundings {
  readonly services: ReadonlyMap<string, Service>;
  readonly entries: readonly ServiceEntry[];
  readonly gateways: ReadonlyMap<string, Gateway>;
  readonly ingresses: readonly Ingress[];
  readonly virtualServices: readonly VirtualService[];
  readonly destinationRules: readonly DestinationRule[];
  readonly resiliencePolicies: readonly ResiliencePolicy[];
  readonly workloadEntries: readonly WorkloadEntry[];
  /** What there is behind services or may come to be: workloads, groups and single entries. */
  readonly instances: readonly { readonly namespace: string | undefined; readonly labels: Labels }[];
  /** By full host, without those of wildcards. */
  readonly #rulesByHost: ReadonlyMap<string, readonly DestinationRule[]>;
  readonly #wideRules: readonly DestinationRule[];
  readonly #instancesByNamespace: ReadonlyMap<string | undefined, Surroundings['instances']>;
  /** Ports of the hosts of ServiceEntries. */
  readonly #entered = new Map<string, ServiceEntry['spec']['ports']>();

  constructor(resources: readonly Resource[]) {
    const of = <K extends Kind>(kind: K): ResourceByKind[K][] =>
      resources.filter((resource) => resource.kind === kind) as ResourceByKind[K][];
    this.services = new Map(of('Service').map((service) => [serviceHost(service), service]));
    this.entries = of('ServiceEntry');
    for (const { spec } of this.entries) {
      for (const host of spec.hosts) {
        const lower = host.toLowerCase();
        if (!this.#entered.has(lower)) this.#entered.set(lower, spec.ports);
      }
    }
    this.gateways = new Map(
      of('Gateway').map((gateway) => [`${gateway.metadata.namespace}/${gateway.metadata.name}`, gateway]),
    );
    this.ingresses = of('Ingress');
    this.virtualServices = of('VirtualService');
    this.destinationRules = of('DestinationRule');
    this.resiliencePolicies = of('ResiliencePolicy');
    this.#wideRules = this.destinationRules.filter(({ spec }) => spec.host.startsWith('*'));
    this.#rulesByHost = Map.groupBy(this.destinationRules, ({ spec, metadata }) =>
      this.fullName(spec.host, metadata.namespace ?? ''),
    );
    this.workloadEntries = of('WorkloadEntry');
    const labelled = [
      ...resources.filter(isWorkload).map((one) => ({ one, labels: labelsOfPods(one) })),
      ...this.workloadEntries.map((one) => ({ one, labels: labelsOfEntry(one) })),
      ...of('WorkloadGroup').map((one) => ({ one, labels: labelsOfMembers(one) })),
    ];
    this.instances = labelled.map(({ one, labels }) => ({ namespace: one.metadata.namespace, labels }));
    this.#instancesByNamespace = Map.groupBy(this.instances, ({ namespace }) => namespace);
  }

  instancesIn(namespace: string | undefined): Surroundings['instances'] {
    return this.#instancesByNamespace.get(namespace) ?? [];
  }

  /** Full name of `host` as a resource of `namespace` means it. */
  fullName(host: string, namespace: string): string {
    return fullHostName(host, namespace, (full) => this.services.has(full));
  }

  /** Whether nothing is known that could be called, so that nothing is missed. */
  get isEmpty(): boolean {
    return this.services.size === 0 && this.#entered.size === 0;
  }

  /** Ports of a service or a host of a ServiceEntry, by its full name; undefined where there is none. */
  portsOf(full: string): readonly number[] | undefined {
    const ports = this.services.get(full)?.spec.ports.map(({ port }) => port);
    return ports ?? this.#entered.get(full)?.map(({ number }) => number);
  }

  /** The most specific rule for a host, of whatever namespace. */
  destinationRuleFor(full: string): DestinationRule | undefined {
    const exact = this.#rulesByHost.get(full) ?? [];
    const fitting = [...exact, ...this.#wideRules.filter(({ spec }) => coversHost(spec.host, full))];
    return fitting.sort((a, b) => b.spec.host.length - a.spec.host.length)[0];
  }

  /** A service of that name somewhere else, or of nearly that name. */
  suggestHost(host: string, namespace: string): string | undefined {
    const local = [...this.services.values()].filter(({ metadata }) => metadata.namespace === namespace);
    const names = host.includes('.')
      ? [...this.services.keys(), ...this.#entered.keys()]
      : local.map(({ metadata }) => metadata.name);
    const elsewhere = [...this.services.values()].find(({ metadata }) => metadata.name === host);
    if (elsewhere !== undefined) return `did you mean "${host}.${elsewhere.metadata.namespace}"?`;
    return didYouMean(host, names);
  }
}

export function serviceHost({ metadata }: Service): string {
  return `${metadata.name}.${metadata.namespace}.${clusterDomain}`;
}
