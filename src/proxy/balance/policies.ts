/** The balancing policies that do not hash (Envoy, "Supported load balancers"). */
import type { Candidate, Picker, PolicyDefinition, PolicySettings } from './contract.ts';
import { areEqual, WeightedOrder } from './weighted-order.ts';

/** One after the other, from a place drawn at random; by weight where weights differ. */
export const roundRobin: PolicyDefinition = {
  kind: 'round_robin',
  hashes: false,
  build<E extends Candidate>(
    endpoints: readonly E[],
    weights: readonly number[],
    { random, slowStart }: PolicySettings,
  ): Picker<E> {
    const count = endpoints.length;
    const starting = slowStart?.begin(endpoints) === true;
    if (count <= 1 || (areEqual(weights) && !starting)) {
      let next = count === 0 ? 0 : random.below(count);
      return {
        pick() {
          const picked = endpoints[next];
          next = next + 1 >= count ? 0 : next + 1;
          return picked;
        },
      };
    }
    const weightOf = (at: number): number => weights[at]! * (slowStart?.factorOf(endpoints[at]!) ?? 1);
    const order = new WeightedOrder();
    const from = random.below(count);
    for (let i = 0; i < count; i++) {
      const at = (from + i) % count;
      order.add(at, weightOf(at));
    }
    return { pick: () => endpoints[order.next(weightOf)] };
  },
};

/** Any endpoint, whatever it weighs. */
export const random: PolicyDefinition = {
  kind: 'random',
  hashes: false,
  build<E extends Candidate>(
    endpoints: readonly E[],
    _weights: readonly number[],
    settings: PolicySettings,
  ): Picker<E> {
    return { pick: () => endpoints[settings.random.below(endpoints.length)] };
  },
};

/**
 * The one with the fewest requests in flight, of some endpoints that are drawn or of all of them; where weights differ,
 * by weight divided by the requests in flight.
 *
 * Source: M. Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing",
 * IEEE TPDS 12(10), 2001.
 */
export const leastRequest: PolicyDefinition = {
  kind: 'least_request',
  hashes: false,
  build<E extends Candidate>(
    endpoints: readonly E[],
    weights: readonly number[],
    settings: PolicySettings,
  ): Picker<E> {
    const count = endpoints.length;
    const { slowStart } = settings;
    const starting = slowStart?.begin(endpoints) === true;
    if (count <= 1) return { pick: () => endpoints[0] };
    if (areEqual(weights) && !starting) {
      return { pick: () => (settings.fullScan ? scanned(endpoints, settings) : drawn(endpoints, settings)) };
    }
    const weightOf = (at: number): number => {
      const endpoint = endpoints[at]!;
      const busy = (endpoint.counts.rqActive + 1) ** settings.activeRequestBias;
      return (weights[at]! / busy) * (slowStart?.factorOf(endpoint) ?? 1);
    };
    const order = new WeightedOrder();
    const from = settings.random.below(count);
    for (let i = 0; i < count; i++) {
      const at = (from + i) % count;
      order.add(at, weightOf(at));
    }
    return { pick: () => endpoints[order.next(weightOf)] };
  },
};

/** @param endpoints at least one */
function drawn<E extends Candidate>(
  endpoints: readonly E[],
  { random: chance, choiceCount }: PolicySettings,
): E {
  const count = endpoints.length;
  let best = endpoints[chance.below(count)]!;
  for (let i = 1; i < choiceCount; i++) {
    const other = endpoints[chance.below(count)]!;
    if (other.counts.rqActive < best.counts.rqActive) best = other;
  }
  return best;
}

/** Those with equally few have equal chances. @param endpoints at least one */
function scanned<E extends Candidate>(endpoints: readonly E[], { random: chance }: PolicySettings): E {
  let best = endpoints[0]!;
  let tied = 1;
  for (let i = 1; i < endpoints.length; i++) {
    const other = endpoints[i]!;
    if (other.counts.rqActive < best.counts.rqActive) {
      best = other;
      tied = 1;
    } else if (other.counts.rqActive === best.counts.rqActive && chance.below(++tied) === 0) best = other;
  }
  return best;
}
