/** Several DestinationRules of one host, as one (Istio): subsets are joined, and the first policy holds. */
import type { DestinationRule } from '#model/destination-rule.ts';

/** Kept for as long as the first rule: who remembers what was made of a rule finds it again. */
const joinedOf = new WeakMap<
  DestinationRule,
  { readonly others: readonly DestinationRule[]; readonly joined: DestinationRule }
>();

/** @param rules of one host, in order. @returns undefined for none */
export function joinRules([first, ...others]: readonly DestinationRule[]): DestinationRule | undefined {
  if (first === undefined || others.length === 0) return first;
  const known = joinedOf.get(first);
  const isSame =
    known?.others.length === others.length && known.others.every((rule, i) => rule === others[i]);
  if (known !== undefined && isSame) return known.joined;
  const subsets = [...first.spec.subsets];
  for (const { spec } of others)
    subsets.push(...spec.subsets.filter(({ name }) => subsets.every((subset) => subset.name !== name)));
  const trafficPolicy = [first, ...others].find(({ spec }) => spec.trafficPolicy !== undefined)?.spec
    .trafficPolicy;
  const spec = { ...first.spec, ...(trafficPolicy !== undefined && { trafficPolicy }), subsets };
  const joined: DestinationRule = { ...first, spec };
  joinedOf.set(first, { others, joined });
  return joined;
}
