/** Patches to the items of a list. Istio has two orders: one for filters, one for all else. */
import type { Edit } from './edit.ts';
import type { CompiledPatch } from './patch-set.ts';

export interface ListPatching<Item> {
  readonly edit: Edit;
  /** Those for such items at this place, in order. */
  readonly patches: readonly CompiledPatch[];
  matches(patch: CompiledPatch, item: Item): boolean;
  /** Whether the patch says which of the items it means. */
  names(patch: CompiledPatch): boolean;
  /** Changes `item`. */
  merge(item: Item, patch: CompiledPatch): void;
  /** A copy of what the patch brings. */
  valueOf(patch: CompiledPatch): Item;
  /** Goes on within what stays. */
  inside?(item: Item): void;
}

export interface FilterPatching<Item> extends ListPatching<Item> {
  /** Where what is added with a class of filters stands; undefined: its operation says it. */
  placeOf?(patch: CompiledPatch, items: readonly Item[]): number | undefined;
}

export const isMerge = ({ operation }: CompiledPatch): boolean =>
  operation === 'MERGE' || operation === 'MERGE_AND_REPLACE_LIST';

/** What comes, goes and is replaced first, in the order of the patches; then what is there is merged. */
export function patchFilters<Item>(items: readonly Item[], how: FilterPatching<Item>): Item[] {
  const patched = [...items];
  for (const patch of how.patches) {
    if (!isMerge(patch) && putOrRemove(patched, patch, how)) how.edit.applied.add(patch);
  }
  for (const item of patched) {
    mergeItem(item, how);
    how.inside?.(item);
  }
  return patched;
}

/** What is there is merged, replaced and removed first; then others are put in. */
export function patchObjects<Item>(items: readonly Item[], how: ListPatching<Item>): Item[] {
  const { edit, patches } = how;
  const patched: Item[] = [];
  for (const item of items) {
    const stays = changed(item, how);
    if (stays === undefined) continue;
    how.inside?.(stays);
    patched.push(stays);
  }
  for (const patch of patches) {
    if (isMerge(patch) || patch.operation === 'REMOVE' || patch.operation === 'REPLACE') continue;
    // At the top where there is what it names, not before that (Istio).
    const at = placeByName(patched, patch, how);
    if (at === undefined) continue;
    patched.splice(patch.operation === 'INSERT_FIRST' ? 0 : at, 0, how.valueOf(patch));
    edit.applied.add(patch);
  }
  return patched;
}

/** Undefined: it is removed. */
function changed<Item>(original: Item, how: ListPatching<Item>): Item | undefined {
  let item = original;
  for (const patch of how.patches) {
    const { operation } = patch;
    if (!isMerge(patch) && operation !== 'REMOVE' && operation !== 'REPLACE') continue;
    if (!how.matches(patch, item)) continue;
    how.edit.applied.add(patch);
    if (operation === 'REMOVE') return undefined;
    if (operation === 'REPLACE') item = how.valueOf(patch);
    else how.merge(item, patch);
  }
  return item;
}

function mergeItem<Item>(item: Item, { edit, patches, matches, merge }: ListPatching<Item>): void {
  for (const patch of patches) {
    if (!isMerge(patch) || !matches(patch, item)) continue;
    merge(item, patch);
    edit.applied.add(patch);
  }
}

/** @returns whether something changed */
function putOrRemove<Item>(items: Item[], patch: CompiledPatch, how: FilterPatching<Item>): boolean {
  const { operation } = patch;
  if (operation === 'REMOVE' || operation === 'REPLACE') {
    // Without a name nothing is meant (Istio).
    const found = how.names(patch) ? items.findIndex((item) => how.matches(patch, item)) : -1;
    if (found < 0) return false;
    items.splice(found, 1, ...(operation === 'REPLACE' ? [how.valueOf(patch)] : []));
    return true;
  }
  const at = how.placeOf?.(patch, items) ?? placeOfFilter(items, patch, how);
  if (at === undefined) return false;
  items.splice(at, 0, how.valueOf(patch));
  return true;
}

function placeOfFilter<Item>(
  items: readonly Item[],
  patch: CompiledPatch,
  how: FilterPatching<Item>,
): number | undefined {
  return patch.operation === 'INSERT_FIRST' ? 0 : placeByName(items, patch, how);
}

/** Without a name it is one of the ends. Undefined: nothing has the name. */
function placeByName<Item>(
  items: readonly Item[],
  patch: CompiledPatch,
  { names, matches }: ListPatching<Item>,
): number | undefined {
  const { operation } = patch;
  if (operation === 'ADD') return items.length;
  const isBehind = operation === 'INSERT_AFTER';
  if (!names(patch)) return isBehind ? items.length : 0;
  const found = items.findIndex((item) => matches(patch, item));
  return found < 0 ? undefined : found + (isBehind ? 1 : 0);
}
