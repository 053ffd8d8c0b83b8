/** Filter chains of one listener: no two may ask for the same, or a proxy refuses the whole listener. */
import { formatIp, parseRange } from '#core/ip-address.ts';
import type { FilterChainMatchInit } from './listener.ts';

interface MatchedChain {
  readonly filterChainMatch: FilterChainMatchInit;
}

type Range = NonNullable<FilterChainMatchInit['prefixRanges']>[number];

const everyName = [''];
const everyAddress: readonly (Range | undefined)[] = [undefined];

/** Pairs of a name and a range of addresses that earlier chains have. */
export class DisjointChains<Chain extends MatchedChain> {
  readonly #taken = new Set<string>();
  readonly #chains: Chain[] = [];

  get chains(): readonly Chain[] {
    return this.#chains;
  }

  /** What of the chain asks for something new becomes one of them. @returns whether that is all of it */
  add(chain: Chain): boolean {
    const { prefixRanges, serverNames, ...rest } = chain.filterChainMatch;
    const names = serverNames === undefined || serverNames.length === 0 ? everyName : serverNames;
    const ranges = prefixRanges === undefined || prefixRanges.length === 0 ? everyAddress : prefixRanges;
    const groups = new Map<string, { readonly names: readonly string[]; readonly ranges: Range[] }>();
    let isWhole = true;
    for (const range of ranges) {
      const free = names.filter((name) => this.#take(JSON.stringify([rest, textOf(range), name])));
      isWhole &&= free.length === names.length;
      if (free.length === 0) continue;
      const group = groups.get(free.join()) ?? { names: free, ranges: [] };
      if (range !== undefined) group.ranges.push(range);
      groups.set(free.join(), group);
    }
    for (const { names: free, ranges: asked } of groups.values()) {
      const filterChainMatch: FilterChainMatchInit = {
        ...(asked.length > 0 && { prefixRanges: asked }),
        ...rest,
        ...(free[0] !== '' && { serverNames: [...free] }),
      };
      this.#chains.push({ ...chain, filterChainMatch });
    }
    return isWhole;
  }

  #take(key: string): boolean {
    if (this.#taken.has(key)) return false;
    this.#taken.add(key);
    return true;
  }
}

/** As a proxy compares it: without the bits behind the prefix. */
function textOf(range: Range | undefined): string {
  if (range === undefined) return '';
  const { addressPrefix = '', prefixLen: length = 0 } = range;
  const parsed = parseRange(addressPrefix, length);
  return parsed === undefined ? `${addressPrefix}/${length}` : `${formatIp(parsed.bytes)}/${parsed.length}`;
}
