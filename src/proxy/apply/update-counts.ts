/**
 * Who counts what becomes of updates, as Envoy has it: lists for themselves, secrets and configurations of filters by
 * their names, endpoints by each cluster that asks for them, routes by the connection manager that asked first.
 */
import { FewByKey } from '#core/few-by-key.ts';
import type { ResourceKind } from '#xds/resource-type.ts';
import type { Dependencies } from '../contract.ts';
import { keyOf, type ResourceSource, type Wanted } from '../resource-source.ts';
import type { Interest } from './interest.ts';

/** `same`: it came as it is in force; `gone`: the server has it no more. */
export type UpdateOutcome = 'success' | 'same' | 'gone' | 'rejected' | 'failure';

/** Whose figures it is. `name` is the resource's for kinds that are counted by it, else ''; `by` as of {@link Wanted}. */
export interface Counted {
  readonly kind: ResourceKind;
  readonly name: string;
  readonly by: string;
}

export interface UpdateCounts {
  /** A question for it goes out, which Envoy calls an attempt. */
  asked(counted: Counted): void;
  /** An answer, which is an attempt too. */
  answered(counted: Counted, outcome: UpdateOutcome): void;
  /** Nobody counts there any more. */
  forget(counted: Counted): void;
}

type UserKind = 'endpoint' | 'route';

/** Whether each resource of a kind has counts of its own. */
export function isCountedByName(kind: ResourceKind): boolean {
  return kind === 'secret' || kind === 'extension' || kind === 'virtualHost' || isCountedByUser(kind);
}

/** Whether those count that ask for it. */
export function isCountedByUser(kind: ResourceKind): kind is UserKind {
  return kind === 'endpoint' || kind === 'route';
}

/** Those who ask for endpoints and routes. */
export class Askers {
  readonly #counts: UpdateCounts | undefined;
  /** By the keys of the routes. */
  readonly #routes = new Map<string, Counted>();
  /** Names of clusters by the keys of the assignments they ask for, or asked for before. */
  readonly #clusters = new FewByKey<string>();

  constructor(counts: UpdateCounts | undefined) {
    this.#counts = counts;
  }

  /** Something was accepted that asks for them. @param name of a cluster, where it asks for endpoints */
  note(name: string, { endpoints, routes }: Dependencies): void {
    for (const wanted of endpoints) {
      this.#clusters.add(wanted.key, name);
      this.#ask(countedOf('endpoint', wanted), wanted);
    }
    for (const wanted of routes) {
      if (this.#routes.has(wanted.key)) continue;
      const counted = countedOf('route', wanted);
      this.#routes.set(wanted.key, counted);
      this.#ask(counted, wanted);
    }
  }

  /** A file is not asked before it is read. */
  #ask(counted: Counted, { source }: Wanted): void {
    if (source.kind !== 'file') this.#counts?.asked(counted);
  }

  /** `stat_prefix` of the connection manager that counts updates of these routes. */
  ofRoutes(key: string): string {
    return this.#routes.get(key)?.by ?? '';
  }

  /** Whoever counts updates of one. @param needsOf what a cluster names */
  of(kind: UserKind, key: string, needsOf: (cluster: string) => readonly Dependencies[]): readonly Counted[] {
    if (kind === 'endpoint')
      return this.#clusters
        .of(key)
        .flatMap((name) => needsOf(name).flatMap(({ endpoints }) => endpoints))
        .filter((wanted) => wanted.key === key)
        .map((wanted) => countedOf(kind, wanted));
    const counted = this.#routes.get(key);
    return counted === undefined ? [] : [counted];
  }

  /** A cluster with these needs is there no more. */
  forgetCluster(name: string, needs: Iterable<Dependencies>): void {
    for (const { endpoints } of needs)
      for (const wanted of endpoints) {
        this.#clusters.remove(wanted.key, name);
        this.#counts?.forget(countedOf('endpoint', wanted));
      }
  }

  keepOnly({ endpoint, route }: Interest): void {
    for (const key of this.#clusters.keys()) if (!endpoint.keys.has(key)) this.#clusters.forget(key);
    for (const [key, counted] of this.#routes) {
      if (route.keys.has(key)) continue;
      this.#routes.delete(key);
      this.#counts?.forget(counted);
    }
  }
}

export interface AnswerDeps {
  readonly configuration: {
    askers(kind: UserKind, key: string): readonly Counted[];
  };
  readonly counts: UpdateCounts;
}

/** Counts an answer for one resource; nothing of kinds that are not counted by name. */
export function countAnswer(
  { configuration, counts }: AnswerDeps,
  { kind, source }: { readonly kind: ResourceKind; readonly source: ResourceSource },
  name: string,
  outcome: UpdateOutcome,
): void {
  if (!isCountedByName(kind)) return;
  const askers = isCountedByUser(kind)
    ? configuration.askers(kind, keyOf(name, source))
    : [{ kind, name, by: '' }];
  for (const one of askers) counts.answered(one, outcome);
}

function countedOf(kind: UserKind, { name, countedBy = '' }: Wanted): Counted {
  return { kind, name, by: countedBy };
}
