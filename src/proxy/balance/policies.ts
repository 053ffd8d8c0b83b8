/** The balancing policies (Envoy, "Supported load balancers"). */
import type { Candidate, Picker, PolicyDefinition } from './contract.ts';
import { areWeightsEqual, WeightedOrder } from './weighted-order.ts';

/** One after the other, from a place drawn at random; by weight where weights differ. */
export const roundRobin: PolicyDefinition = {
  kind: 'round_robin',
  build<E extends Candidate>(
    endpoints: readonly E[],
    { random }: { random: { below(n: number): number } },
  ): Picker<E> {
    const count = endpoints.length;
    if (count === 0 || areWeightsEqual(endpoints)) {
      let next = count === 0 ? 0 : random.below(count);
      return {
        pick() {
          const picked = endpoints[next];
          next = next + 1 >= count ? 0 : next + 1;
          return picked;
        },
      };
    }
    const order = new WeightedOrder<E>();
    const from = random.below(count);
    for (let i = 0; i < count; i++) {
      const endpoint = endpoints[(from + i) % count]!;
      order.add(endpoint, endpoint.traits.weight);
    }
    const weightOf = ({ traits }: E): number => traits.weight;
    return { pick: () => order.next(weightOf) };
  },
};

/** Any endpoint, each as often as its weight says. O(log n). */
export const random: PolicyDefinition = {
  kind: 'random',
  build<E extends Candidate>(
    endpoints: readonly E[],
    settings: { random: { below(n: number): number; ratio(): number } },
  ): Picker<E> {
    if (endpoints.length === 0 || areWeightsEqual(endpoints)) {
      return { pick: () => endpoints[settings.random.below(endpoints.length)] };
    }
    const ends: number[] = [];
    let total = 0;
    for (const { traits } of endpoints) {
      total += traits.weight;
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
  build<E extends Candidate>(
    endpoints: readonly E[],
    settings: { random: { below(n: number): number }; choiceCount: number; activeRequestBias: number },
  ): Picker<E> {
    const count = endpoints.length;
    if (count === 0 || areWeightsEqual(endpoints)) {
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
    const weightOf = ({ traits, counts }: E): number =>
      traits.weight / (counts.rqActive + 1) ** settings.activeRequestBias;
    const order = new WeightedOrder<E>();
    for (const endpoint of endpoints) order.add(endpoint, weightOf(endpoint));
    return { pick: () => order.next(weightOf) };
  },
};

/** Every policy this build knows. */
export const policies: readonly PolicyDefinition[] = [roundRobin, random, leastRequest];
