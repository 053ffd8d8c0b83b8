/**
 * EnvoyFilters: changes what was made for one proxy, before it is encoded. What a patch would make invalid is not sent,
 * and a problem tells so; nothing else suffers.
 */
import { clone, type Message } from '@bufbuild/protobuf';
import type { Problem } from '#core/problem.ts';
import type { PatchContext } from '#model/envoy-filter-match.ts';
import type { Labels } from '#model/metadata.ts';
import { type Cluster, ClusterSchema } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import { TrafficDirection } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import {
  type TypedExtensionConfig,
  TypedExtensionConfigSchema,
} from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import { type Listener, ListenerSchema } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import {
  type RouteConfiguration,
  RouteConfigurationSchema,
} from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { ResourceKind } from '#xds/resource-type.ts';
import type { ResourceIndex } from '../../store/resource-index.ts';
import type { ProxyNode } from '../node.ts';
import { patchCluster } from './clusters.ts';
import { copyOf, type Edit } from './edit.ts';
import { type Guarded, guarded, type Outcome, problemOf } from './guard.ts';
import { patchListener } from './listeners.ts';
import { clusterMatches, contextMatches, listenerMatches, routeTableMatches } from './match.ts';
import { type CompiledPatch, type PatchSet, patchSetFor } from './patch-set.ts';
import { patchRouteTable } from './routes.ts';
import { type Judge, judgeCluster, judgeExtension, judgeListener, judgeRoutes } from './soundness.ts';

/** What of a snapshot patches concern. */
export interface Patchable {
  readonly clusters: readonly Cluster[];
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
}

/** What came of the patches that are for one proxy. */
export interface PatchReport {
  /** Patches that would make something invalid. */
  readonly problems: readonly Problem[];
  /** What is not sent because of them: the version that the proxy has stays. */
  readonly held: readonly HeldResource[];
  /** Of each patch whether it has found what it means; what to say where no proxy has that. */
  readonly uses: readonly PatchUse[];
}

export interface HeldResource {
  readonly kind: ResourceKind;
  readonly name: string;
}

export interface PatchUse {
  readonly applied: boolean;
  /** The same object for all proxies. */
  readonly ifNowhere: Problem;
}

export interface Patched extends Patchable {
  /** Configurations of filters that are asked for by name. */
  readonly extensions: readonly TypedExtensionConfig[];
  readonly patches: PatchReport;
}

/** @param labels of the workload. Undefined: no EnvoyFilter concerns the proxy. */
export function applyEnvoyFilters(
  made: Patchable,
  node: ProxyNode,
  labels: Labels,
  index: ResourceIndex,
): Patched | undefined {
  if (index.envoyFilters.length === 0) return undefined;
  const set = patchSetFor(index, node, labels);
  return set === undefined ? undefined : new Patching(set, node).patch(made);
}

class Patching {
  readonly #set: PatchSet;
  readonly #problems: Problem[] = [];
  readonly #held: HeldResource[] = [];
  readonly #applied = new Set<CompiledPatch>();
  readonly #isGateway: boolean;

  constructor(set: PatchSet, node: ProxyNode) {
    this.#set = set;
    this.#isGateway = node.role === 'router';
  }

  patch({ clusters, listeners, routes }: Patchable): Patched {
    const patched = {
      clusters: this.#added('cluster', clusters.flatMap(this.#cluster), {
        applyTo: 'CLUSTER',
        copy: (patch) => copyOf(ClusterSchema, patch),
        judge: judgeCluster,
      }),
      listeners: this.#added('listener', listeners.flatMap(this.#listener), {
        applyTo: 'LISTENER',
        copy: (patch) => copyOf(ListenerSchema, patch),
        judge: judgeListener,
      }),
      routes: routes.flatMap(this.#routes),
      extensions: this.#added('extension', [], {
        applyTo: 'EXTENSION_CONFIG',
        copy: (patch) => copyOf(TypedExtensionConfigSchema, patch),
        judge: judgeExtension,
      }),
    };
    const uses = this.#set.patches.map((patch) => ({
      applied: this.#applied.has(patch),
      ifNowhere: patch.ifNowhere,
    }));
    return { ...patched, patches: { problems: this.#problems, held: this.#held, uses } };
  }

  readonly #cluster = (cluster: Cluster): readonly Cluster[] =>
    this.#guarded('cluster', cluster, () => {
      const isInbound = /^inbound\||^InboundPassthroughCluster$/.test(cluster.name);
      const edit = this.#edit(
        this.#contextOf(isInbound),
        (patch) => patch.applyTo === 'CLUSTER' && patch.operation !== 'ADD' && clusterMatches(patch, cluster),
      );
      const apply = (some: Edit): Cluster | undefined => patchCluster(cluster, some);
      return { original: cluster, what: `the cluster ${cluster.name}`, edit, judge: judgeCluster, apply };
    });

  readonly #listener = (listener: Listener): readonly Listener[] =>
    this.#guarded('listener', listener, () => {
      const isInbound = listener.trafficDirection === TrafficDirection.INBOUND;
      const edit = this.#edit(this.#contextOf(isInbound), (patch) => {
        // Routes may stand in it.
        if (routeClass.includes(patch.applyTo)) return true;
        if (patch.applyTo === 'LISTENER' && patch.operation === 'ADD') return false;
        return listenerClass.includes(patch.applyTo) && listenerMatches(patch, listener);
      });
      const apply = (some: Edit): Listener | undefined => patchListener(listener, some);
      return { original: listener, what: `the listener ${listener.name}`, edit, judge: judgeListener, apply };
    });

  readonly #routes = (table: RouteConfiguration): readonly RouteConfiguration[] =>
    this.#guarded('route', table, () => {
      const context = this.#contextOf(false);
      const edit = this.#edit(
        context,
        (patch) => routeClass.includes(patch.applyTo) && routeTableMatches(patch, context, table),
      );
      const apply = (some: Edit): RouteConfiguration => {
        const copy = clone(RouteConfigurationSchema, table);
        patchRouteTable(copy, some);
        return copy;
      };
      return { original: table, what: `the routes ${table.name}`, edit, judge: judgeRoutes, apply };
    });

  #contextOf(isInbound: boolean): PatchContext {
    if (this.#isGateway) return 'GATEWAY';
    return isInbound ? 'SIDECAR_INBOUND' : 'SIDECAR_OUTBOUND';
  }

  #edit(context: PatchContext, concerns: (patch: CompiledPatch) => boolean): Edit {
    const patches = this.#set.patches.filter((patch) => contextMatches(patch, context) && concerns(patch));
    return { context, patches, applied: new Set() };
  }

  /** What several proxies have is patched once for all that have the same patches. */
  #guarded<Of extends Message & { readonly name: string }>(
    kind: ResourceKind,
    original: Of,
    how: () => Guarded<Of>,
  ): readonly Of[] {
    const known = this.#set.patched.get(original) as Outcome<Of> | undefined;
    const outcome = known ?? guarded(how());
    this.#set.patched.set(original, outcome);
    this.#problems.push(...outcome.problems);
    for (const patch of outcome.applied) this.#applied.add(patch);
    if (outcome.held) this.#held.push({ kind, name: original.name });
    return outcome.message === undefined ? [] : [outcome.message];
  }

  /** Whole resources that patches bring; the first of a name stays. */
  #added<Of extends Message & { readonly name: string }>(
    kind: ResourceKind,
    there: readonly Of[],
    how: {
      readonly applyTo: CompiledPatch['applyTo'];
      readonly judge: Judge<Of>;
      copy(patch: CompiledPatch): Of;
    },
  ): readonly Of[] {
    const names = new Set([...there, ...this.#held].map(({ name }) => name));
    const all = [...there];
    for (const patch of this.#set.patches) {
      if (patch.applyTo !== how.applyTo || patch.operation !== 'ADD' || !this.#isContextHere(patch)) continue;
      this.#applied.add(patch);
      const message = this.#copyOf(patch, how.copy);
      const { name } = message;
      const reason = how.judge(message);
      if (names.has(name))
        this.#problems.push(problemOf(patch, `nothing is added: there is a ${kind} ${name} already`));
      else if (reason !== undefined) {
        this.#problems.push(problemOf(patch, `the ${kind} ${name} stays as it was: ${reason}`));
        this.#held.push({ kind, name });
      } else all.push(message);
      names.add(name);
    }
    return all;
  }

  /** One copy for all proxies that have the same patches, which is never changed. */
  #copyOf<Of extends Message>(patch: CompiledPatch, copy: (patch: CompiledPatch) => Of): Of {
    const known = this.#set.brought.get(patch) as Of | undefined;
    const message = known ?? copy(patch);
    this.#set.brought.set(patch, message);
    return message;
  }

  #isContextHere(patch: CompiledPatch): boolean {
    const here: readonly PatchContext[] = this.#isGateway
      ? ['GATEWAY']
      : ['SIDECAR_INBOUND', 'SIDECAR_OUTBOUND'];
    return here.some((context) => contextMatches(patch, context));
  }
}

const listenerClass: readonly CompiledPatch['applyTo'][] = [
  'LISTENER',
  'LISTENER_FILTER',
  'FILTER_CHAIN',
  'NETWORK_FILTER',
  'HTTP_FILTER',
];
const routeClass: readonly CompiledPatch['applyTo'][] = ['ROUTE_CONFIGURATION', 'VIRTUAL_HOST', 'HTTP_ROUTE'];
