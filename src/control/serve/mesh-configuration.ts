/** The store's state as proxies and the API see it: translated for each proxy, encoded once for all. */
import type { ConfigReport, LoadedResource } from '#api/contract.ts';
import { formatProblem, hasErrors, type Problem } from '#core/problem.ts';
import type { Secret } from '#model/config-map.ts';
import type { Resource } from '#model/kinds.ts';
import type { Logger } from '#observe/log.ts';
import { type Snapshot, withoutRepetition } from '#xds/snapshot.ts';
import type { MeshStore } from '../store/mesh-store.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import type { PatchUse } from '../translate/envoy-filter/apply.ts';
import { patchesIfNowhere } from '../translate/envoy-filter/patch-set.ts';
import type { ProxyNode } from '../translate/node.ts';
import { buildSnapshot } from '../translate/snapshot.ts';
import type { ConfigurationSource } from './discovery.ts';
import { LastGoodSnapshots } from './last-good-snapshots.ts';
import { SharedMaps, withResources } from './shared-maps.ts';

export interface MeshConfigurationSettings {
  readonly store: MeshStore;
  /** Of the CA: identities cannot change while their certificates are in use. */
  readonly trustDomain: string;
  readonly log: Logger;
  readonly nowMs: () => number;
}

/** How many different problems of translation are told once; more are counted by the proxies that have them. */
const MAX_TOLD = 1000;

export class MeshConfiguration implements ConfigurationSource {
  readonly #settings: MeshConfigurationSettings;
  readonly #maps = new SharedMaps();
  readonly #told = new Set<string>();
  /** Of the newest translation of each proxy. */
  readonly #problems = new Map<string, readonly Problem[]>();
  readonly #patchUses = new Map<string, readonly PatchUse[]>();
  readonly #lastGood = new LastGoodSnapshots();
  #storeIndex: ResourceIndex | undefined;
  #index: ResourceIndex | undefined;
  #resources: readonly Resource[] = [];
  #loadedAtMs = 0;
  #ownProblems: readonly Problem[] = [];

  constructor(settings: MeshConfigurationSettings) {
    this.#settings = settings;
  }

  /**
   * Takes over what the store has. What it had at the very start must be free of errors: there is no
   * last good to put in place of what is broken, and proxies that run already would lose it.
   *
   * @returns whether proxies should be told
   */
  refresh(): boolean {
    const { store, nowMs } = this.#settings;
    if (store.index === this.#storeIndex) return false;
    if (this.#index === undefined && hasErrors(store.problems)) return false;
    this.#storeIndex = store.index;
    this.#index = this.#withOwnTrustDomain(store.index);
    this.#resources = store.resources;
    this.#loadedAtMs = nowMs();
    this.#problems.clear();
    this.#patchUses.clear();
    this.#lastGood.forget((node) => this.#podHasGone(node));
    return true;
  }

  /** Certificates and those who verify them must not part: another trust domain is told, and not taken over. */
  #withOwnTrustDomain(index: ResourceIndex): ResourceIndex {
    const { trustDomain } = this.#settings;
    const wanted = index.settings.trustDomain;
    this.#ownProblems = [];
    if (wanted === trustDomain) return index;
    const message = `the trust domain cannot change from "${trustDomain}" to "${wanted}" while the mesh runs`;
    const fix = 'stop the mesh, and start it with another state folder';
    this.#ownProblems = [{ level: 'error', message, path: 'trustDomain', fix }];
    const settings = index.derived.value('own trust domain', [index.settings, trustDomain], () => ({
      ...index.settings,
      trustDomain,
    }));
    return { ...index, settings };
  }

  ready(): boolean {
    return this.#index !== undefined;
  }

  snapshot(node: ProxyNode, previous: Snapshot): Snapshot {
    if (this.#index === undefined) return previous;
    const built = buildSnapshot(this.#index, node);
    const { patches } = built;
    const all = [...built.problems, ...(patches?.problems ?? [])];
    this.#problems.set(node.id, all);
    for (const problem of all) this.#tell(problem);
    if (hasErrors(built.problems)) return previous;
    if (patches === undefined) {
      this.#lastGood.drop(node);
      return withoutRepetition(this.#maps.snapshot(built), previous);
    }
    this.#patchUses.set(node.id, patches.uses);
    const held = this.#lastGood.of(node, patches.held, previous);
    const snapshot = withoutRepetition(withResources(this.#maps.snapshot(built), held), previous);
    this.#lastGood.keep(node, snapshot);
    return snapshot;
  }

  #podHasGone({ namespace, podName, registration, group }: ProxyNode): boolean {
    if (registration !== undefined || group !== undefined) return false;
    return this.#index?.pod(namespace, podName) === undefined;
  }

  serviceAccountOf(namespace: string, pod: string): string | undefined {
    return this.#index?.pod(namespace, pod)?.spec.serviceAccountName;
  }

  /** All problems: of the files, of this place, and of the translation for proxies that are connected. */
  problems(): readonly Problem[] {
    const all = [
      ...this.#settings.store.problems,
      ...this.#ownProblems,
      ...[...this.#problems.values()].flat(),
      ...this.#unusedPatches(),
    ];
    return [...new Map(all.map((problem) => [formatProblem(problem), problem])).values()];
  }

  /** Of no proxy it is known what it needs while there is none. */
  #unusedPatches(): readonly Problem[] {
    if (this.#index === undefined || this.#problems.size === 0) return [];
    const uses = [...this.#patchUses.values()].flat();
    const used = new Set(uses.filter(({ applied }) => applied).map(({ ifNowhere }) => ifNowhere));
    return patchesIfNowhere(this.#index).filter((problem) => !used.has(problem));
  }

  report(): ConfigReport {
    const { store } = this.#settings;
    return {
      resources: this.#resources.map(describe),
      problems: this.problems(),
      allowedUnsupported: [...new Set(store.allowed.map(({ resource, message }) => resource ?? message))],
      loadedAt: new Date(this.#loadedAtMs).toISOString(),
    };
  }

  #tell(problem: Problem): void {
    const text = formatProblem(problem);
    if (this.#told.has(text) || this.#told.size >= MAX_TOLD) return;
    this.#told.add(text);
    this.#settings.log[problem.level === 'error' ? 'error' : 'warn']('control.translation', {
      problem: text,
    });
  }
}

/** The keys of a Secret; its values are nobody's business. */
function withoutValues({ data, stringData, ...rest }: Omit<Secret, 'origin'>): object {
  const keys = [...new Set([...Object.keys(data), ...Object.keys(stringData)])].sort();
  return { ...rest, data: Object.fromEntries(keys.map((key) => [key, '[redacted]'])) };
}

function describe({ origin, ...document }: Resource): LoadedResource {
  const { apiVersion, kind, metadata } = document;
  return {
    apiVersion,
    kind,
    namespace: metadata.namespace ?? '',
    name: metadata.name,
    file: origin.file,
    line: origin.start.line,
    document: document.kind === 'Secret' ? withoutValues(document) : document,
  };
}
