/** Istio `ProxyConfig`: how the proxies of some workloads run. */
import { atMost } from './decode/at-most.ts';
import { mapOf } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, type Field, meaningless, object, optional } from './decode/object.ts';
import { integer, text } from './decode/scalar.ts';
import { type WorkloadSelector, workloadSelector } from './istio-selector.ts';
import type { KindDefinition } from './kind.ts';
import { type Labels, type ResourceBase, selects } from './metadata.ts';
import { mergedOptions, type ProxyOptions } from './proxy-options.ts';

export interface ProxyConfigSpec {
  /** Absent: all of the namespace, or of the mesh in its root namespace. */
  readonly selector?: WorkloadSelector;
  /** Threads; 0: one for each processor. */
  readonly concurrency?: number;
  /** Of the proxy. */
  readonly environmentVariables: Readonly<Record<string, string>>;
}

export type ProxyConfig = ResourceBase<'ProxyConfig', ProxyConfigSpec>;

const variable: Decoder<string> = atMost(2048, text);

const imageOnly: Field<never, 'dropped'> = meaningless('There are no images of proxies.');

const spec: Decoder<ProxyConfigSpec> = object({
  selector: optional(
    workloadSelector,
    'Whom it is for. Without it: the namespace, and in the root namespace (`istio-system`) the mesh.',
  ),
  concurrency: optional(
    integer(0, 2 ** 31 - 1),
    'Threads; 0: one for each processor. Without it what the mesh says, or one.',
  ),
  environmentVariables: defaulted(mapOf(variable), {}, 'Environment of the proxy, besides that of the mesh.'),
  image: imageOnly,
});

export const proxyConfigKind: KindDefinition<ProxyConfig> = {
  kind: 'ProxyConfig',
  group: 'networking.istio.io',
  versions: ['v1beta1'],
  scope: 'namespace',
  about:
    'How the proxies of some workloads run; the annotation `proxy.istio.io/config` of a Pod says the same for one. It takes effect where `heddle up` starts them.',
  fields: { spec: defaulted(spec, { environmentVariables: {} }), status: meaningless() },
};

/** A workload, for settings that ask who it is. */
export interface ProxyWorkload {
  readonly namespace: string;
  readonly labels: Labels;
}

/**
 * What ProxyConfigs say of the proxy of a workload: those of the mesh, its namespace and itself, the later ones first. Of
 * several in one place the first by name counts.
 */
export function configuredOptions(
  configs: readonly ProxyConfig[],
  { namespace, labels }: ProxyWorkload,
  rootNamespace: string,
): ProxyOptions {
  const within = (place: string): readonly ProxyConfig[] =>
    configs
      .filter(({ metadata }) => metadata.namespace === place)
      .sort((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1));
  const whole = (place: string): ProxyConfig | undefined => within(place).find((one) => !isForWorkloads(one));
  const own = within(namespace).find((one) => isForWorkloads(one) && selects(selectorOf(one), labels));
  return mergedOptions(
    [whole(rootNamespace), whole(namespace), own].map((config) => config && optionsOf(config)),
  );
}

function optionsOf({ spec: { concurrency, environmentVariables } }: ProxyConfig): ProxyOptions {
  return { ...(concurrency !== undefined && { concurrency }), proxyMetadata: environmentVariables };
}

function selectorOf({ spec: { selector } }: ProxyConfig): Labels {
  return selector?.matchLabels ?? {};
}

function isForWorkloads(config: ProxyConfig): boolean {
  return Object.keys(selectorOf(config)).length > 0;
}
