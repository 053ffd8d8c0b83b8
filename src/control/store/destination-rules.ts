/** Several DestinationRules of one host, as one (Istio): subsets are joined, and the first policy holds. */
import { isSameList } from '#core/same-list.ts';
import type { DestinationRule } from '#model/destination-rule.ts';

/** Kept for as long as the first rule: who remembers what was made of a rule finds it again. */
const joinedOf = new WeakMap<DestinationRule, readonly JoinedRule[]>();

interface JoinedRule {
  readonly others: readonly DestinationRule[];
  readonly joined: DestinationRule;
}

/** Callers that see different ones of them get different ones joined; more are not remembered. */
const MAX_JOINED = 16;

/** @param rules of one host, in order. @returns undefined for none */
export function joinRules([first, ...others]: readonly DestinationRule[]): DestinationRule | undefined {
  if (first === undefined || others.length === 0) return first;
  const all = joinedOf.get(first) ?? [];
  const known = all.find((one) => isSameList(one.others, others));
  if (known !== undefined) return known.joined;
  const subsets = [...first.spec.subsets];
  for (const { spec } of others)
    subsets.push(...spec.subsets.filter(({ name }) => subsets.every((subset) => subset.name !== name)));
  const trafficPolicy = [first, ...others].find(({ spec }) => spec.trafficPolicy !== undefined)?.spec
    .trafficPolicy;
  const spec = { ...first.spec, ...(trafficPolicy !== undefined && { trafficPolicy }), subsets };
  const joined: DestinationRule = { ...first, spec };
  joinedOf.set(first, [{ others, joined }, ...all].slice(0, MAX_JOINED));
  return joined;
}
