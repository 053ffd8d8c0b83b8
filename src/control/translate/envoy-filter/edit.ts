/** What patching functions have in common. */
import { clone, type DescMessage, type Message, type MessageShape } from '@bufbuild/protobuf';
import type { PatchContext } from '#model/envoy-filter-match.ts';
import { mergeMessage } from './merge.ts';
import type { CompiledPatch } from './patch-set.ts';

/** Patches of one context, to be applied to one resource. */
export interface Edit {
  readonly context: PatchContext;
  readonly patches: readonly CompiledPatch[];
  /** Those that have found what they mean. */
  readonly applied: Set<CompiledPatch>;
}

/** A copy of what the patch brings. */
export function copyOf<Desc extends DescMessage>(schema: Desc, { value }: CompiledPatch): MessageShape<Desc> {
  return clone(schema, value as MessageShape<Desc>);
}

/** Changes `into` as the patch says. */
export function mergePatch(schema: DescMessage, into: Message, { operation, value }: CompiledPatch): void {
  if (value !== undefined)
    mergeMessage(schema, into, value, { replaceLists: operation === 'MERGE_AND_REPLACE_LIST' });
}
