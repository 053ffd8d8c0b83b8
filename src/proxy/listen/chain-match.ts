/**
 * Which filter chain takes a connection: criterion by criterion in Envoy's order, at each the most
 * specific branch, without going back (Envoy, FilterChainMatch).
 */
import { type IpBytes, type IpRange, inRange, parseIp, parseRange } from '#core/ip-address.ts';
import type { ChainKeys } from './chain-criteria.ts';

/** What is known of a connection before its chain is chosen. */
export interface ConnectionTraits {
  /** '' for a connection that has no IP address; so are the others. */
  readonly localIp: string;
  readonly localPort: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** The peer of the socket; differs from `remoteIp` where a PROXY header names another. */
  readonly directRemoteIp: string;
  /** Lower case; '' for none. */
  readonly serverName: string;
  readonly transportProtocol: 'tls' | 'raw_buffer';
  /** In the order of the client. */
  readonly applicationProtocols: readonly string[];
}

/** The chains that agree in the criteria so far, by what they ask of the next one. */
class Branch<Node> {
  /** '' holds those that do not ask. */
  readonly next: Map<string, Node> = new Map();
  /** Of a criterion of ranges: the keys above as ranges, the longest first. */
  readonly ranges: { readonly range: IpRange; readonly key: string }[] = [];
}

/** The branch a connection takes at one criterion. */
type Seek = <Node>(branch: Branch<Node>, traits: ConnectionTraits) => Node | undefined;

/** In Envoy's order, which is that of {@link ChainKeys}. */
const seeks: readonly Seek[] = [
  ({ next }, { localIp, localPort }) => next.get(localIp === '' ? '' : String(localPort)) ?? next.get(''),
  (branch, { localIp }) => byRange(branch, localIp),
  ({ next }, { serverName }) => byServerName(next, serverName),
  ({ next }, { transportProtocol }) => next.get(transportProtocol) ?? next.get(''),
  ({ next }, { applicationProtocols }) => byProtocol(next, applicationProtocols),
  (branch, { directRemoteIp }) => byRange(branch, directRemoteIp),
  ({ next }, traits) => bySourceType(next, traits),
  (branch, { remoteIp }) => byRange(branch, remoteIp),
  ({ next }, { remoteIp, remotePort }) => next.get(remoteIp === '' ? '' : String(remotePort)) ?? next.get(''),
];

export class ChainMatcher<Chain extends object> {
  readonly #root: Branch<unknown> = new Branch();

  /** @returns the chain that some connection would match as well, or undefined: the chain was added. */
  add(keys: ChainKeys, chain: Chain): Chain | undefined {
    return this.#place(this.#root, keys, 0, chain);
  }

  find(traits: ConnectionTraits): Chain | undefined {
    let node: unknown = this.#root;
    for (const seek of seeks) {
      node = seek(node as Branch<unknown>, traits);
      if (node === undefined) return undefined;
    }
    return node as Chain;
  }

  #place(branch: Branch<unknown>, keys: ChainKeys, level: number, chain: Chain): Chain | undefined {
    const isLeaf = level === seeks.length - 1;
    for (const key of keys[level]!) {
      const known = branch.next.get(key);
      if (isLeaf) {
        if (known !== undefined) return known as Chain;
        branch.next.set(key, chain);
        continue;
      }
      const below = (known ?? new Branch()) as Branch<unknown>;
      if (known === undefined) {
        branch.next.set(key, below);
        addRanges(branch, key);
      }
      const taken = this.#place(below, keys, level + 1, chain);
      if (taken !== undefined) return taken;
    }
    return undefined;
  }
}

const everything: readonly IpRange[] = [parseRange('0.0.0.0', 0)!, parseRange('::', 0)!];

function addRanges({ ranges }: Branch<unknown>, key: string): void {
  const [address = '', length] = key.split('/');
  const own = key === '' ? everything : [parseRange(address, Number(length ?? Number.NaN))];
  for (const range of own) {
    if (range === undefined) continue; // not a criterion of ranges
    // Of equal ranges the last one holds: 0.0.0.0/0 and "not asked" are such.
    const at = ranges.findIndex((other) => other.range.length <= range.length);
    ranges.splice(at === -1 ? ranges.length : at, 0, { range, key });
  }
}

/** Stands for the address of a connection that has none (Envoy, `fakeAddress`). */
const NO_ADDRESS: IpBytes = [255, 255, 255, 255];

function byRange<Node>({ next, ranges }: Branch<Node>, ip: string): Node | undefined {
  if (next.size === 1) {
    const any = next.get('');
    if (any !== undefined) return any;
  }
  const address = parseIp(ip) ?? NO_ADDRESS;
  for (const { range, key } of ranges) if (inRange(range, address)) return next.get(key);
  return undefined;
}

function byServerName<Node>(next: ReadonlyMap<string, Node>, serverName: string): Node | undefined {
  const exact = next.get(serverName);
  if (exact !== undefined) return exact;
  // `*.example.com` is kept as `.example.com`.
  for (let dot = serverName.indexOf('.', 1); dot !== -1; dot = serverName.indexOf('.', dot + 1)) {
    const wildcard = next.get(serverName.slice(dot));
    if (wildcard !== undefined) return wildcard;
  }
  return next.get('');
}

function byProtocol<Node>(next: ReadonlyMap<string, Node>, offered: readonly string[]): Node | undefined {
  for (const protocol of offered) {
    const found = protocol === '' ? undefined : next.get(protocol);
    if (found !== undefined) return found;
  }
  return next.get('');
}

function bySourceType<Node>(next: ReadonlyMap<string, Node>, traits: ConnectionTraits): Node | undefined {
  if (next.size === 1) {
    const any = next.get('');
    if (any !== undefined) return any;
  }
  return next.get(isLocal(traits) ? 'local' : 'external') ?? next.get('');
}

/** Of the addresses 127.0.0.0/8 only 127.0.0.1 is one, as Envoy has it. */
function isLocal({ remoteIp, localIp }: ConnectionTraits): boolean {
  return remoteIp === '' || remoteIp === localIp || remoteIp === '127.0.0.1' || remoteIp === '::1';
}
