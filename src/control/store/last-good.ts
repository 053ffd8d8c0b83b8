/** What one source has in force: the last good version of each resource, and why it is not the newest. */
import type { Problem } from '#core/problem.ts';
import { keyOf, kinds, type Resource } from '#model/kinds.ts';
import type { Loaded } from '#model/load.ts';
import { holdsCertificate, whyOfNoUse } from './tls-secret.ts';

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
 * A broken document leaves the last good version of its resource in force, a file that cannot be parsed that of all its
 * resources, and the others go on. Nothing of the source changes where something that closes has no last good version, as
 * half an edit could open what the whole keeps shut; and while anything is broken, nothing that closes goes away.
 */
export function nextState(before: SourceState, loaded: Loaded): SourceState {
  const { problems, allowed } = loaded;
  if (mustHold(before, loaded)) {
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
  const rejected = new Set(loaded.rejected.map(({ key }) => key));
  const isWhole = rejected.size === 0 && loaded.brokenFiles.length === 0;
  for (const [key, lastGood] of isWhole ? [] : before.resources) {
    const stays =
      rejected.has(key) ||
      loaded.brokenFiles.includes(lastGood.origin.file) ||
      kinds[lastGood.kind].guards === true;
    if (!stays || resources.has(key)) continue;
    resources.set(key, lastGood);
    kept.push(key);
  }
  const broken = brokenCertificates(before, resources);
  for (const { resource } of broken) kept.push(resource);
  return { resources, problems: [...problems, ...broken], allowed, kept, held: false };
}

/** A certificate that was good and is none now stays as it was: who edits it has not finished. */
function brokenCertificates(
  before: SourceState,
  resources: Map<string, Resource>,
): readonly (Problem & { readonly resource: string })[] {
  const secrets = [...resources.values()].filter((resource) => resource.kind === 'Secret');
  return secrets.flatMap((resource) => {
    const key = keyOf(resource);
    const lastGood = before.resources.get(key);
    if (lastGood?.kind !== 'Secret' || !holdsCertificate(lastGood)) return [];
    const reason = whyOfNoUse(resource);
    if (reason === undefined || whyOfNoUse(lastGood) !== undefined) return [];
    resources.set(key, lastGood);
    const message = `${reason}; the last good one stays in force`;
    return [{ level: 'error' as const, message, at: resource.origin.start, resource: key }];
  });
}

function mustHold({ resources }: SourceState, { rejected, brokenFiles, unread }: Loaded): boolean {
  if (unread || rejected.some(({ key, guards }) => guards && !resources.has(key))) return true;
  // At first there is nothing that could stay.
  return resources.size === 0 && brokenFiles.length > 0;
}
