/**
 * Which filter chain takes a connection: criterion by criterion, the most specific match at each,
 * without going back (Envoy, FilterChainMatch).
 */
import { BlockList, isIPv6 } from 'node:net';
import type { CidrRange } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import {
  type FilterChainMatch,
  FilterChainMatch_ConnectionSourceType as Source,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Findings } from '../findings.ts';

/** What is known of a connection before its chain is chosen. */
export interface ConnectionTraits {
  readonly localIp: string;
  readonly localPort: number;
  readonly remoteIp: string;
  readonly remotePort: number;
  /** Lower case; '' for none. */
  readonly serverName: string;
  readonly transportProtocol: 'tls' | 'raw_buffer';
  readonly applicationProtocols: readonly string[];
}

/** How well a criterion fits: -1 not at all, 0 by saying nothing, more is more specific. */
type Fit = (traits: ConnectionTraits) => number;

/** In Envoy's order. */
export interface ChainCriteria {
  readonly fits: readonly Fit[];
  /** Whether bytes have to be looked at to know. */
  readonly needsInspection: boolean;
}

const always: Fit = () => 0;

export function compileChainMatch(
  match: FilterChainMatch | undefined,
  path: string,
  findings: Findings,
): ChainCriteria {
  if (match === undefined) return { fits: [always], needsInspection: false };
  findings.refuse(`${path}.address_suffix`, match.addressSuffix !== '');
  findings.refuse(`${path}.suffix_len`, match.suffixLen !== undefined);
  const { destinationPort, transportProtocol, sourceType, sourcePorts } = match;
  const names = match.serverNames.map((name) => name.toLowerCase());
  if (names.some((name) => name.includes('*') && !/^\*(\.|$)[^*]*$/.test(name))) {
    findings.error(`${path}.server_names`, 'a wildcard may only stand for the first label');
  }
  const protocols = match.applicationProtocols;
  const fits: Fit[] = [
    destinationPort === undefined ? always : ({ localPort }) => (localPort === destinationPort ? 1 : -1),
    cidrFit(match.prefixRanges, ({ localIp }) => localIp, `${path}.prefix_ranges`, findings),
    names.length === 0 ? always : ({ serverName }) => nameFit(names, serverName),
    transportProtocol === '' ? always : (traits) => (traits.transportProtocol === transportProtocol ? 1 : -1),
    protocols.length === 0
      ? always
      : ({ applicationProtocols }) =>
          protocols.some((protocol) => applicationProtocols.includes(protocol)) ? 1 : -1,
    cidrFit(
      match.directSourcePrefixRanges,
      ({ remoteIp }) => remoteIp,
      `${path}.direct_source_prefix_ranges`,
      findings,
    ),
    sourceType === Source.ANY
      ? always
      : (traits) => (isLocal(traits) === (sourceType === Source.SAME_IP_OR_LOOPBACK) ? 1 : -1),
    cidrFit(match.sourcePrefixRanges, ({ remoteIp }) => remoteIp, `${path}.source_prefix_ranges`, findings),
    sourcePorts.length === 0 ? always : ({ remotePort }) => (sourcePorts.includes(remotePort) ? 1 : -1),
  ];
  return { fits, needsInspection: names.length > 0 || transportProtocol !== '' || protocols.length > 0 };
}

/** The chain that fits, or undefined. */
export function chooseChain<Chain extends { readonly criteria: ChainCriteria }>(
  chains: readonly Chain[],
  traits: ConnectionTraits,
): Chain | undefined {
  let candidates = chains;
  for (let i = 0; candidates.length > 0 && i < CRITERIA; i++) {
    let best = -1;
    let kept: Chain[] = [];
    for (const chain of candidates) {
      const fit = (chain.criteria.fits[i] ?? always)(traits);
      if (fit === -1 || fit < best) continue;
      if (fit > best) {
        best = fit;
        kept = [];
      }
      kept.push(chain);
    }
    candidates = kept;
  }
  return candidates[0];
}

const CRITERIA = 9;
const EXACT = 1000;

function nameFit(names: readonly string[], serverName: string): number {
  let best = -1;
  for (const name of names) {
    if (name === serverName && name !== '') best = EXACT;
    else if (
      name.startsWith('*.') &&
      serverName.endsWith(name.slice(1)) &&
      serverName.length > name.length - 1
    ) {
      best = Math.max(best, name.length);
    } else if (name === '*') best = Math.max(best, 0);
  }
  return best;
}

function cidrFit(
  ranges: readonly CidrRange[],
  addressOf: (traits: ConnectionTraits) => string,
  path: string,
  findings: Findings,
): Fit {
  if (ranges.length === 0) return always;
  const lists = ranges.flatMap(({ addressPrefix, prefixLen }, i) => {
    const length = prefixLen ?? 0;
    const list = new BlockList();
    try {
      list.addSubnet(addressPrefix, length, isIPv6(addressPrefix) ? 'ipv6' : 'ipv4');
    } catch {
      findings.error(`${path}[${i}]`, `"${addressPrefix}/${length}" is not a range of addresses`);
      return [];
    }
    return [{ list, length }];
  });
  return (traits) => {
    const address = addressOf(traits);
    let best = -1;
    for (const { list, length } of lists) {
      if (address !== '' && list.check(address, isIPv6(address) ? 'ipv6' : 'ipv4'))
        best = Math.max(best, length + 1);
    }
    return best;
  };
}

function isLocal({ remoteIp, localIp }: ConnectionTraits): boolean {
  return remoteIp === localIp || remoteIp.startsWith('127.') || remoteIp === '::1' || remoteIp === '';
}
