/** The patches that concern one proxy, in the order they are applied. */
import type { Message } from '@bufbuild/protobuf';
import type { Problem } from '#core/problem.ts';
import { compileRegex } from '#core/regex.ts';
import {
  type ApplyTo,
  type ConfigPatch,
  type EnvoyFilter,
  operationsOf,
  type Patch,
  type PatchOperation,
} from '#model/envoy-filter.ts';
import type { ConfigMatch, ProxyMatch } from '#model/envoy-filter-match.ts';
import { selects } from '#model/metadata.ts';
import type { ResourceIndex } from '../../store/resource-index.ts';
import type { ProxyNode } from '../node.ts';
import { problemOf } from './guard.ts';
import { patchMessage } from './value.ts';

export interface CompiledPatch {
  readonly filter: EnvoyFilter;
  /** Number of the patch in it. */
  readonly index: number;
  readonly applyTo: ApplyTo;
  readonly match: ConfigMatch;
  readonly operation: PatchOperation;
  readonly filterClass: Patch['filterClass'];
  /** Copy it before it goes anywhere. Absent only where something is removed. */
  readonly value: Message | undefined;
  /** What to say where no proxy that it is for has what it means. */
  readonly ifNowhere: Problem;
  /** Whether its match means the proxy. */
  isFor(node: ProxyNode): boolean;
}

/** The same object for all proxies that have the same patches, so that what is shared is patched once. */
export interface PatchSet {
  readonly patches: readonly CompiledPatch[];
  /** What became of messages that several proxies have. */
  readonly patched: WeakMap<Message, unknown>;
  /** Resources that patches bring. */
  readonly brought: Map<CompiledPatch, Message>;
}

const setsByIndex = new WeakMap<ResourceIndex, Map<string, PatchSet>>();

/** @param labels of the workload. Undefined: no patch concerns the proxy. */
export function patchSetFor(
  index: ResourceIndex,
  node: ProxyNode,
  labels: Readonly<Record<string, string>>,
): PatchSet | undefined {
  const own = filtersFor(index, node, labels).flatMap((filter) =>
    filter.spec.configPatches.flatMap((patch, number) => {
      const compiled = compiledPatch(filter, patch, number);
      return compiled?.isFor(node) === true ? [compiled] : [];
    }),
  );
  if (own.length === 0) return undefined;
  const key = JSON.stringify([
    node.role,
    ...own.map(({ filter, index: number }) => [filter.metadata.namespace, filter.metadata.name, number]),
  ]);
  const sets = setsByIndex.get(index) ?? new Map<string, PatchSet>();
  setsByIndex.set(index, sets);
  const set = sets.get(key) ?? { patches: own, patched: new WeakMap(), brought: new Map() };
  sets.set(key, set);
  return set;
}

/** The same for all proxies. */
const compiledPatches = new WeakMap<ConfigPatch, CompiledPatch | undefined>();

function compiledPatch(filter: EnvoyFilter, patch: ConfigPatch, index: number): CompiledPatch | undefined {
  if (!compiledPatches.has(patch)) compiledPatches.set(patch, compile(filter, patch, index));
  return compiledPatches.get(patch);
}

/** What to say of each patch of the mesh where no proxy has what it names. */
export function patchesIfNowhere({ envoyFilters }: ResourceIndex): readonly Problem[] {
  return envoyFilters.flatMap((filter) =>
    filter.spec.configPatches.flatMap((patch, index) => compiledPatch(filter, patch, index)?.ifNowhere ?? []),
  );
}

/** What cannot be made of the patch was told when it was loaded. */
function compile(filter: EnvoyFilter, written: ConfigPatch, index: number): CompiledPatch | undefined {
  const { applyTo, match, patch } = written;
  const { operation, filterClass } = patch;
  const value = patchMessage(written);
  if (!operationsOf[applyTo].includes(operation)) return undefined;
  if (value === undefined && operation !== 'REMOVE') return undefined;
  const message = 'nothing is patched: no proxy that it is for has what it names';
  const ifNowhere = problemOf({ filter, index }, message, 'info');
  const isFor = proxyTest(match.proxy);
  return { filter, index, applyTo, match, operation, filterClass, value, ifNowhere, isFor };
}

function filtersFor(
  { envoyFilters, settings: { rootNamespace } }: ResourceIndex,
  node: ProxyNode,
  labels: Readonly<Record<string, string>>,
): readonly EnvoyFilter[] {
  const inReach = envoyFilters.filter(({ metadata, spec }) => {
    if (metadata.namespace !== rootNamespace && metadata.namespace !== node.namespace) return false;
    if (spec.targetRefs !== undefined && spec.targetRefs.length > 0)
      return isTarget({ metadata, spec }, node, labels);
    return selects(spec.workloadSelector?.labels ?? {}, labels);
  });
  const isRoot = ({ metadata }: EnvoyFilter): number => (metadata.namespace === rootNamespace ? 0 : 1);
  // They are in the order of their age.
  return inReach.sort((a, b) => a.spec.priority - b.spec.priority || isRoot(a) - isRoot(b));
}

/** A proxy of a Gateway of the Gateway API says so by its label (Istio). */
function isTarget(
  { metadata, spec }: Pick<EnvoyFilter, 'metadata' | 'spec'>,
  node: ProxyNode,
  labels: Readonly<Record<string, string>>,
): boolean {
  if (metadata.namespace !== node.namespace) return false;
  return (spec.targetRefs ?? []).some(
    ({ group, kind, name }) =>
      kind === 'Gateway' &&
      group === 'gateway.networking.k8s.io' &&
      labels['gateway.networking.k8s.io/gateway-name'] === name,
  );
}

/** Whether the node is one that the match means. */
function proxyTest(match: ProxyMatch | undefined): (node: ProxyNode) => boolean {
  const { proxyVersion = '', metadata: wanted = {} } = match ?? {};
  // Istio looks for it anywhere in the version.
  const pattern = compileRegex(`[\\s\\S]*(?:${proxyVersion})[\\s\\S]*`);
  return ({ metadata }) => {
    const version = metadata.ISTIO_VERSION ?? metadata.HEDDLE_VERSION;
    const isVersion = typeof version === 'string' && pattern.ok && pattern.regex.matches(version);
    if (proxyVersion !== '' && !isVersion) return false;
    return Object.entries(wanted).every(([key, value]) => metadata[key] === value);
  };
}
