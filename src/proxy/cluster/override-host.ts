/** The endpoints that a request names, one for each attempt; then those of another policy (Envoy, "Override host"). */
import type { Steps } from '#core/time-slice.ts';
import { headerOf } from '#http/header-list.ts';
import type { MetadataValue } from '#observe/access-record.ts';
import type { AssignmentPolicy, Balancer, Members } from './balancer.ts';
import type { Endpoint } from './endpoint.ts';
import type { PickContext } from './pick-context.ts';

/** Where a value stands: its namespace, and the keys that lead to it. */
export interface MetadataPlace {
  readonly namespace: string;
  readonly keys: readonly string[];
}

export type OverrideSource = { readonly header: string } | { readonly metadata: MetadataPlace };

export interface OverrideRules {
  readonly sources: readonly OverrideSource[];
  /** Where the endpoint that was taken is told. */
  readonly selected: MetadataPlace | undefined;
}

export class OverrideBalancer implements Balancer {
  readonly #rules: OverrideRules;
  readonly #inner: Balancer;
  #byAddress: ReadonlyMap<string, Endpoint> = new Map();

  /** @param inner chooses where a request names none, or no more */
  constructor(rules: OverrideRules, inner: Balancer) {
    this.#rules = rules;
    this.#inner = inner;
  }

  get endpoints(): readonly Endpoint[] {
    return this.#inner.endpoints;
  }

  *replace(endpoints: readonly Endpoint[], policy: AssignmentPolicy): Steps<boolean> {
    if (!(yield* this.#inner.replace(endpoints, policy))) return false;
    this.#byAddress = new Map(endpoints.map((endpoint) => [endpoint.address, endpoint]));
    return true;
  }

  noteChange(): void {
    this.#inner.noteChange();
  }

  noteWeights(): void {
    this.#inner.noteWeights();
  }

  refresh(): Steps<void> {
    return this.#inner.refresh();
  }

  members(): Members {
    return this.#inner.members();
  }

  /** Whatever is known against an endpoint that is named. */
  pick(context: PickContext): Endpoint | undefined {
    const endpoint = this.#named(context) ?? this.#inner.pick(context);
    const { selected } = this.#rules;
    if (endpoint === undefined || selected === undefined) return endpoint;
    const { keys, namespace } = selected;
    const value = keys
      .slice(1)
      .reduceRight<MetadataValue>((inner, key) => ({ [key]: inner }), endpoint.address);
    context.request?.setMetadata(namespace, { [keys[0]!]: value });
    return endpoint;
  }

  #named({ request, metadata }: PickContext): Endpoint | undefined {
    if (request === undefined) return undefined;
    request.namedEndpoints ??= this.#rules.sources.flatMap((source) => {
      const text =
        'header' in source
          ? headerOf(request.requestHeaders, source.header)
          : textAt(metadata?.[source.metadata.namespace], source.metadata.keys);
      return text === undefined ? [] : text.split(',').map((address) => address.trim());
    });
    for (;;) {
      const address = request.namedEndpoints.shift();
      if (address === undefined) return undefined;
      const endpoint = this.#byAddress.get(address);
      if (endpoint !== undefined) return endpoint;
    }
  }
}

function textAt(fields: MetadataValue | undefined, keys: readonly string[]): string | undefined {
  let value = fields;
  for (const key of keys) {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return undefined;
    value = (value as Readonly<Record<string, MetadataValue>>)[key];
  }
  return typeof value === 'string' ? value : undefined;
}
