/** Policies of the callers of a host, and whose of them holds for one caller (Istio's order of precedence). */
import { type ExportTo, isExportedTo } from '#model/export-to.ts';
import { type Labels, selects } from '#model/metadata.ts';
import { HostTable } from './host-table.ts';

/** Who calls, as far as policies look at it. */
export interface PolicyReader {
  readonly namespace: string;
  readonly labels: Labels;
}

interface HostPolicy {
  readonly metadata: { readonly name: string; readonly namespace?: string };
  readonly spec: {
    readonly host: string;
    /** Callers of its own namespace, for whom alone it is. */
    readonly workloadSelector?: { readonly matchLabels: Labels };
  };
}

export interface HostPolicyOptions<Policy> {
  /** Of a host as a resource of a namespace means it. */
  readonly fullName: (host: string, namespace: string) => string;
  /** Policies in this namespace hold for the whole mesh. */
  readonly rootNamespace: string;
  /** Namespaces whose callers a policy is for. */
  readonly exportTo: (policy: Policy) => ExportTo;
}

export class HostPolicies<Policy extends HostPolicy> {
  readonly #options: HostPolicyOptions<Policy>;
  /** Whether some are not for all namespaces. */
  readonly #isNarrow: boolean;
  readonly #byNamespace = new Map<string, HostTable<Policy[]>>();
  readonly #selective = new Map<string, Policy[]>();

  /** @param policies in their order */
  constructor(policies: readonly Policy[], options: HostPolicyOptions<Policy>) {
    this.#options = options;
    this.#isNarrow = policies.some((policy) => !options.exportTo(policy).includes('*'));
    const lists = new Map<string, Policy[]>();
    for (const policy of policies) {
      const { namespace = '' } = policy.metadata;
      const host = options.fullName(policy.spec.host, namespace);
      const table = this.#byNamespace.get(namespace) ?? new HostTable<Policy[]>();
      this.#byNamespace.set(namespace, table);
      const list = lists.get(`${namespace}/${host}`) ?? [];
      lists.set(`${namespace}/${host}`, list);
      list.push(policy);
      if (list.length === 1) table.add(host, list);
      if (policy.spec.workloadSelector === undefined) continue;
      this.#selective.set(namespace, [...(this.#selective.get(namespace) ?? []), policy]);
    }
  }

  /** Whether callers of the namespace may have policies that others do not have. */
  isOwn(namespace: string): boolean {
    return this.#isNarrow || this.#byNamespace.has(namespace);
  }

  /** Names of those that are for the caller and not for all of its namespace: callers of the same names see the same. */
  selectedBy({ namespace, labels }: PolicyReader): readonly string[] {
    return (this.#selective.get(namespace) ?? [])
      .filter((policy) => isFor(policy, labels))
      .map(({ metadata }) => metadata.name);
  }

  /**
   * All of the most specific host, in the caller's own namespace, else in the host's, else in the root's. Of several in one
   * namespace those are chosen that select the caller, where there are any.
   *
   * @param home namespace of the host, if it is known
   */
  of(host: string, home: string | undefined, { namespace, labels }: PolicyReader): readonly Policy[] {
    const { rootNamespace, exportTo } = this.#options;
    const sees = (policy: Policy): boolean =>
      isExportedTo(exportTo(policy), policy.metadata.namespace ?? '', namespace);
    for (const place of [namespace, home, rootNamespace]) {
      const ofHost = this.#byNamespace.get(place ?? '')?.find(host, (list) => list.some(sees)) ?? [];
      const found = ofHost.filter(sees);
      const selecting = place === namespace ? found.filter((policy) => isFor(policy, labels)) : [];
      if (selecting.length > 0) return selecting;
      const general = found.filter(({ spec }) => spec.workloadSelector === undefined);
      if (general.length > 0) return general;
    }
    return [];
  }
}

function isFor({ spec }: HostPolicy, labels: Labels): boolean {
  return spec.workloadSelector !== undefined && selects(spec.workloadSelector.matchLabels, labels);
}
