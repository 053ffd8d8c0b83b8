/** What one source has in force: the last good version of each resource, and why it is not the newest. */
import type { Problem } from '#core/problem.ts';
import { keyOf, type Resource } from '#model/kinds.ts';
import type { Loaded } from '#model/load.ts';

export interface SourceState {
  readonly resources: ReadonlyMap<string, Resource>;
  /** Of the newest texts, whether they are in force or not. */
  readonly problems: readonly Problem[];
  /** Unsupported parts that somebody let pass. */
  readonly allowed: readonly Problem[];
  /** Resources that are in force in an older version than written. */
  readonly kept: readonly string[];
  /** The newest texts as a whole are not in force. */
  readonly held: boolean;
}

export const emptyState: SourceState = {
  resources: new Map(),
  problems: [],
  allowed: [],
  kept: [],
  held: false,
};

/**
 * A broken document leaves the last good version of its resource in force. If it may be one that
 * closes something, nothing of the source changes: half an edit could open what the whole keeps shut.
 */
export function nextState(before: SourceState, loaded: Loaded): SourceState {
  const { problems, allowed } = loaded;
  if (loaded.holds) {
    return {
      ...before,
      problems,
      allowed: [...before.allowed],
      kept: [...before.resources.keys()],
      held: true,
    };
  }
  const resources = new Map(loaded.resources.map((resource) => [keyOf(resource), resource]));
  const kept: string[] = [];
  for (const { key } of loaded.rejected) {
    const lastGood = before.resources.get(key);
    if (lastGood === undefined || resources.has(key)) continue;
    resources.set(key, lastGood);
    kept.push(key);
  }
  return { resources, problems, allowed, kept, held: false };
}
