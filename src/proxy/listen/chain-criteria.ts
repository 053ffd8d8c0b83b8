/** A `FilterChainMatch` message, read once: what a chain asks of a connection. */
import { formatIp, parseRange } from '#core/ip-address.ts';
import type { CidrRange } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import {
  type FilterChainMatch,
  FilterChainMatch_ConnectionSourceType as Source,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import type { Findings } from '../findings.ts';

/**
 * Keys by criterion, any of which a connection may have; `['']` where the chain does not ask.
 * In order: destination port, destination ranges (`10.0.0.0/8`), server names (`.b.c` for `*.b.c`),
 * transport protocol, application protocols, ranges of the direct source, kind of source, source
 * ranges, source ports.
 */
export type ChainKeys = readonly (readonly string[])[];

const notAsked: readonly string[] = [''];

/** Of a chain without `filter_chain_match`. */
export const anyConnection: ChainKeys = new Array<readonly string[]>(9).fill(notAsked);

const sourceKeys: Readonly<Record<number, string>> = {
  [Source.SAME_IP_OR_LOOPBACK]: 'local',
  [Source.EXTERNAL]: 'external',
};

export function readChainMatch(
  match: FilterChainMatch | undefined,
  path: string,
  findings: Findings,
): ChainKeys {
  if (match === undefined) return anyConnection;
  findings.refuse(`${path}.address_suffix`, match.addressSuffix !== '');
  findings.refuse(`${path}.suffix_len`, match.suffixLen !== undefined);
  const { destinationPort, transportProtocol, sourceType, sourcePorts } = match;
  if (destinationPort !== undefined) checkPort(destinationPort, `${path}.destination_port`, findings);
  for (const [i, port] of sourcePorts.entries()) checkPort(port, `${path}.source_ports[${i}]`, findings);
  return [
    destinationPort === undefined ? notAsked : [String(destinationPort)],
    rangeKeys(match.prefixRanges, `${path}.prefix_ranges`, findings),
    nameKeys(match.serverNames, `${path}.server_names`, findings),
    [transportProtocol],
    orNotAsked(match.applicationProtocols),
    rangeKeys(match.directSourcePrefixRanges, `${path}.direct_source_prefix_ranges`, findings),
    [sourceKeys[sourceType] ?? ''],
    rangeKeys(match.sourcePrefixRanges, `${path}.source_prefix_ranges`, findings),
    orNotAsked(sourcePorts.map(String)),
  ];
}

/** Whether two matches ask the same. */
export function sameKeys(a: ChainKeys, b: ChainKeys): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

function orNotAsked(keys: readonly string[]): readonly string[] {
  return keys.length === 0 ? notAsked : keys;
}

function checkPort(port: number, path: string, findings: Findings): void {
  if (port < 1 || port > 65_535) findings.error(path, 'must be between 1 and 65535');
}

function rangeKeys(ranges: readonly CidrRange[], path: string, findings: Findings): readonly string[] {
  const keys = ranges.flatMap(({ addressPrefix, prefixLen }, i) => {
    const range = parseRange(addressPrefix, prefixLen ?? 0);
    if (range !== undefined) return [`${formatIp(range.bytes)}/${range.length}`];
    findings.error(`${path}[${i}].address_prefix`, `"${addressPrefix}" is not an IP address`);
    return [];
  });
  return orNotAsked(keys);
}

function nameKeys(names: readonly string[], path: string, findings: Findings): readonly string[] {
  const keys = names.map((name, i) => {
    const bare = name.startsWith('*.') ? name.slice(1) : name;
    if (bare.includes('*')) {
      findings.error(
        `${path}[${i}]`,
        'a wildcard stands for whole labels at the start only: "*.example.com"',
      );
    }
    return bare.toLowerCase();
  });
  return orNotAsked(keys);
}
