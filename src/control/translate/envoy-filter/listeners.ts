/** Patches of listeners: the listener itself, its listener filters, filter chains, network filters, and what is in them. */
import { clone } from '@bufbuild/protobuf';
import {
  type Filter,
  type FilterChain,
  FilterChainSchema,
  FilterSchema,
  type ListenerFilter,
  ListenerFilterSchema,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { type Listener, ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import { copyOf, type Edit, mergePatch } from './edit.ts';
import { patchManager } from './http-filters.ts';
import { patchFilters, patchObjects } from './list.ts';
import { chainMatches, listenerMatches, nameMatches } from './match.ts';
import type { CompiledPatch } from './patch-set.ts';

/** Undefined: it is removed. @returns a copy */
export function patchListener(original: Listener, edit: Edit): Listener | undefined {
  const listener = clone(ListenerSchema, original);
  const patches = edit.patches.filter((patch) => listenerMatches(patch, listener));
  for (const patch of patches) {
    if (patch.applyTo !== 'LISTENER') continue;
    edit.applied.add(patch);
    if (patch.operation === 'REMOVE') return undefined;
    mergePatch(ListenerSchema, listener, patch);
  }
  patchListenerFilters(listener, { ...edit, patches });
  patchChains(listener, { ...edit, patches });
  return listener;
}

function patchListenerFilters(listener: Listener, edit: Edit): void {
  const wanted = ({ match }: CompiledPatch): string | undefined =>
    match.listener?.listenerFilter || undefined;
  listener.listenerFilters = patchFilters<ListenerFilter>(listener.listenerFilters, {
    edit,
    patches: edit.patches.filter(({ applyTo }) => applyTo === 'LISTENER_FILTER'),
    matches: (patch, { name }) => nameMatches(wanted(patch), name),
    names: (patch) => wanted(patch) !== undefined,
    merge: (filter, patch) => mergePatch(ListenerFilterSchema, filter, patch),
    valueOf: (patch) => copyOf(ListenerFilterSchema, patch),
  });
}

function patchChains(listener: Listener, edit: Edit): void {
  const patches = edit.patches.filter(({ applyTo }) => applyTo === 'FILTER_CHAIN');
  const how = {
    edit,
    matches: (patch: CompiledPatch, chain: FilterChain) => chainMatches(patch, listener, chain),
    names: () => false,
    merge: (chain: FilterChain, patch: CompiledPatch) => mergePatch(FilterChainSchema, chain, patch),
    valueOf: (patch: CompiledPatch) => copyOf(FilterChainSchema, patch),
    inside: (chain: FilterChain) => patchNetworkFilters(listener, chain, edit),
  };
  listener.filterChains = patchObjects<FilterChain>(listener.filterChains, { ...how, patches });
  if (listener.defaultFilterChain === undefined) return;
  // Nothing is added beside the default one.
  const there = patches.filter(({ operation }) => operation !== 'ADD');
  const [chain] = patchObjects<FilterChain>([listener.defaultFilterChain], { ...how, patches: there });
  if (chain === undefined) delete listener.defaultFilterChain;
  else listener.defaultFilterChain = chain;
}

const wantedFilter = ({ match }: CompiledPatch): string | undefined =>
  match.listener?.filterChain?.filter?.name;

function patchNetworkFilters(listener: Listener, chain: FilterChain, edit: Edit): void {
  const here = edit.patches.filter(
    (patch) =>
      (patch.applyTo !== 'NETWORK_FILTER' && patch.applyTo !== 'HTTP_FILTER') ||
      chainMatches(patch, listener, chain),
  );
  chain.filters = patchFilters<Filter>(chain.filters, {
    edit,
    patches: here.filter(({ applyTo }) => applyTo === 'NETWORK_FILTER'),
    matches: (patch, { name }) => nameMatches(wantedFilter(patch), name),
    names: (patch) => wantedFilter(patch) !== undefined,
    merge: (filter, patch) => mergePatch(FilterSchema, filter, patch),
    valueOf: (patch) => copyOf(FilterSchema, patch),
    inside: (filter) => patchManager(filter, { ...edit, patches: here }),
  });
}
