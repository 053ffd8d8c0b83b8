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
    { random }: PolicySettings,
  ): Picker<E> {
    const count = endpoints.length;
    if (count === 0 || areEqual(weights)) {
      let next = count === 0 ? 0 : random.below(count);
      return {
        pick() {
          const picked = endpoints[next];
          next = next + 1 >= count ? 0 : next + 1;
          return picked;
        },
      };
    }
    const order = new WeightedOrder();
    const from = random.below(count);
    for (let i = 0; i < count; i++) {
      const at = (from + i) % count;
      order.add(at, weights[at]!);
    }
    const weightOf = (at: number): number => weights[at]!;
    return { pick: () => endpoints[order.next(weightOf)] };
  },
};

/** Any endpoint, each as often as its weight says. O(log n). */
export const random: PolicyDefinition = {
  kind: 'random',
  hashes: false,
  build<E extends Candidate>(
    endpoints: readonly E[],
    weights: readonly number[],
    settings: PolicySettings,
  ): Picker<E> {
    if (endpoints.length === 0 || areEqual(weights)) {
      return { pick: () => endpoints[settings.random.below(endpoints.length)] };
    }
    const ends: number[] = [];
    let total = 0;
    for (const weight of weights) {
      total += weight;
      ends.push(total);
    }
    return {
      pick() {
        const point = settings.random.ratio() * total;
        let low = 0;
        let high = ends.length - 1;
        while (low < high) {
          const middle = (low + high) >> 1;
          if (ends[middle]! > point) high = middle;
          else low = middle + 1;
        }
        return endpoints[low];
      },
    };
  },
};

/**
 * Draws some endpoints and takes the one with the fewest requests in flight; where weights differ,
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
    if (count === 0 || areEqual(weights)) {
      const { choiceCount } = settings;
      return {
        pick() {
          if (count <= 1) return endpoints[0];
          let best = endpoints[settings.random.below(count)]!;
          for (let i = 1; i < choiceCount; i++) {
            const other = endpoints[settings.random.below(count)]!;
            if (other.counts.rqActive < best.counts.rqActive) best = other;
          }
          return best;
        },
      };
    }
    const weightOf = (at: number): number =>
      weights[at]! / (endpoints[at]!.counts.rqActive + 1) ** settings.activeRequestBias;
    const order = new WeightedOrder();
    for (let at = 0; at < count; at++) order.add(at, weightOf(at));
    return { pick: () => endpoints[order.next(weightOf)] };
  },
};
