/** Subsets of endpoints as a cluster asks for them, in `lb_subset_config` and in the typed policy. */
import type { Cluster_LbSubsetConfig } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import {
  Subset_LbSubsetFallbackPolicy as Fallback,
  Subset_LbSubsetMetadataFallbackPolicy as MetadataFallback,
  Subset_LbSubsetSelector_LbSubsetSelectorFallbackPolicy as SelectorFallback,
  type Subset,
} from '#xds/gen/envoy/extensions/load_balancing_policies/subset/v3/subset_pb.js';
import type { Findings } from '../findings.ts';
import { criteriaOf, type MetadataCriteria } from '../route/metadata-criteria.ts';

/** What is done where no subset is what a request asks for. */
export type SubsetFallback = 'none' | 'any' | 'default';

export interface SubsetSelector {
  /** Sorted, each once. */
  readonly keys: readonly string[];
  /** Instead of that of all selectors; undefined: it holds. */
  readonly fallback: SubsetFallback | { readonly keys: readonly string[] } | undefined;
  /** Whether a subset has one endpoint, whatever its priority. */
  readonly isSingle: boolean;
}

export interface SubsetRules {
  readonly fallback: SubsetFallback;
  readonly default: MetadataCriteria;
  readonly selectors: readonly SubsetSelector[];
  /** Whether a request may say more than a selector has keys for. */
  readonly allowsRedundant: boolean;
  readonly localityWeighted: boolean;
  /** Whether a locality weighs as much less as it has fewer endpoints in the subset. */
  readonly scalesLocality: boolean;
  /** Whether any endpoint will do where the fallback has none. */
  readonly panicAny: boolean;
  /** Whether a list in the metadata of an endpoint stands for each of its values. */
  readonly listAsAny: boolean;
  /** Whether a request may say what to ask for one after the other. */
  readonly fallbackList: boolean;
}

type SubsetMessage = Cluster_LbSubsetConfig | Subset;
type SelectorMessage = SubsetMessage['subsetSelectors'][number];

export function readSubsets(config: SubsetMessage, path: string, findings: Findings): SubsetRules {
  if (config.scaleLocalityWeight && !config.localityWeightAware) {
    findings.warn(`${path}.scale_locality_weight`, 'has no effect without locality_weight_aware');
  }
  return {
    fallback: fallbacks[config.fallbackPolicy],
    default: criteriaOf((config.defaultSubset ?? {}) as Parameters<typeof criteriaOf>[0]),
    selectors: config.subsetSelectors.map((selector, i) =>
      readSelector(selector, `${path}.subset_selectors[${i}]`, findings),
    ),
    allowsRedundant: 'allowRedundantKeys' in config && config.allowRedundantKeys,
    localityWeighted: config.localityWeightAware,
    scalesLocality: config.localityWeightAware && config.scaleLocalityWeight,
    panicAny: config.panicModeAny,
    listAsAny: config.listAsAny,
    fallbackList: Number(config.metadataFallbackPolicy) === MetadataFallback.FALLBACK_LIST,
  };
}

const fallbacks: Readonly<Record<Fallback, SubsetFallback>> = {
  [Fallback.NO_FALLBACK]: 'none',
  [Fallback.ANY_ENDPOINT]: 'any',
  [Fallback.DEFAULT_SUBSET]: 'default',
};

function readSelector(selector: SelectorMessage, path: string, findings: Findings): SubsetSelector {
  const keys = [...new Set(selector.keys)].sort();
  const subset = [...new Set(selector.fallbackKeysSubset)].sort();
  const policy: SelectorFallback = Number(selector.fallbackPolicy);
  const at = `${path}.fallback_keys_subset`;
  if (policy !== SelectorFallback.KEYS_SUBSET) {
    if (subset.length > 0) findings.error(at, 'is only for fallback_policy KEYS_SUBSET');
  } else if (subset.length === 0) findings.error(at, 'is missing');
  else if (!subset.every((key) => keys.includes(key))) findings.error(at, 'holds what is not in keys');
  else if (subset.length === keys.length) findings.error(at, 'must be fewer than keys');
  return { keys, isSingle: selector.singleHostPerSubset, fallback: selectorFallback(policy, subset) };
}

function selectorFallback(policy: SelectorFallback, keys: readonly string[]): SubsetSelector['fallback'] {
  switch (policy) {
    case SelectorFallback.NO_FALLBACK:
      return 'none';
    case SelectorFallback.ANY_ENDPOINT:
      return 'any';
    case SelectorFallback.DEFAULT_SUBSET:
      return 'default';
    case SelectorFallback.KEYS_SUBSET:
      return { keys };
    default:
      return undefined;
  }
}
