/** Patches of one resource, judged together: what they would make invalid is not sent, and it is said whose patch it is. */
import type { Message } from '@bufbuild/protobuf';
import type { Problem } from '#core/problem.ts';
import type { EnvoyFilter } from '#model/envoy-filter.ts';
import { keyOf } from '#model/kinds.ts';
import type { Edit } from './edit.ts';
import type { CompiledPatch } from './patch-set.ts';
import type { Judge } from './soundness.ts';

/** What came of one resource. */
export interface Outcome<Of> {
  /** Undefined: it is removed, or cannot be sent. */
  readonly message: Of | undefined;
  /** It would be invalid: the version that a proxy has stays. */
  readonly held: boolean;
  readonly problems: readonly Problem[];
  readonly applied: ReadonlySet<CompiledPatch>;
}

export interface Guarded<Of extends Message> {
  readonly original: Of;
  /** In words. */
  readonly what: string;
  readonly edit: Edit;
  readonly judge: Judge<Of>;
  apply(edit: Edit): Of | undefined;
}

export function guarded<Of extends Message>(how: Guarded<Of>): Outcome<Of> {
  const { original, edit, judge, apply } = how;
  const message = apply(edit);
  const { applied } = edit;
  if (applied.size === 0) return { message: original, held: false, problems: [], applied };
  const reason = message && judge(message);
  if (reason === undefined) return { message, held: false, problems: [], applied };
  return { message: undefined, held: true, problems: [blame(how, reason)], applied };
}

/** The first patch with which those before it and it are not sound any more. */
function blame<Of extends Message>({ what, edit, judge, apply }: Guarded<Of>, reasonOfAll: string): Problem {
  const stays = `${what} stays as it was`;
  for (const [index, patch] of edit.patches.entries()) {
    const some = apply({ ...edit, applied: new Set(), patches: edit.patches.slice(0, index + 1) });
    const reason = some && judge(some);
    if (reason !== undefined) return problemOf(patch, `${stays}: ${reason}`);
  }
  return problemOf(edit.patches.at(-1)!, `${stays}: ${reasonOfAll}`);
}

export function problemOf(
  { filter, index }: { readonly filter: EnvoyFilter; readonly index: number },
  message: string,
  level: Problem['level'] = 'error',
): Problem {
  return {
    level,
    message,
    path: `spec.configPatches[${index}]`,
    at: filter.origin.positionOf(['spec', 'configPatches', index]) ?? filter.origin.start,
    resource: keyOf(filter),
  };
}
