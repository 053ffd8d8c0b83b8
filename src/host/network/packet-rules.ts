/**
 * What the kernel is to do with packets, in words of no tool: one description, which is told it by nft(8)
 * (`nft-script.ts`) or by iptables-restore(8) (`iptables-text.ts`).
 */
import { parseIp } from '#core/ip-address.ts';

/** What a packet must have, all of it. Of a list one is enough. */
export interface Match {
  readonly mark?: number;
  /** Of its connection. */
  readonly connectionMark?: number;
  /** Addresses or CIDRs of one family. */
  readonly source?: readonly string[];
  readonly incoming?: string;
  readonly outgoing?: string;
  /** Addresses or CIDRs of one family. */
  readonly destination?: readonly string[];
  /** Where it does not go, and of which family it is all the same. */
  readonly otherDestination?: string;
  readonly protocols?: readonly Protocol[];
  readonly otherProtocol?: Protocol;
  /** With `protocols`. */
  readonly ports?: readonly number[];
  /** Of who sends it; nobody's are packets of the kernel. */
  readonly uid?: number;
  /** In which who sends it is, or in one below; as with `uid`. */
  readonly cgroup?: CgroupPlace;
  /** Its socket is there already, and takes what is addressed to others (IP_TRANSPARENT). */
  readonly isTransparent?: true;
  /** It answers the one that made the connection. */
  readonly isReply?: true;
}

export type Protocol = 'tcp' | 'udp';

/** Of cgroup v2. */
export interface CgroupPlace {
  /** Below the root of the hierarchy, without `/` at its ends. */
  readonly path: string;
}

export type Verdict =
  /** Nothing more in this chain. */
  | { readonly kind: 'return' }
  | { readonly kind: 'accept' }
  | { readonly kind: 'reject' }
  /** Rules of another chain of the same table, and then those that follow. */
  | { readonly kind: 'jump'; readonly chain: string }
  /** To a port of this host. */
  | { readonly kind: 'redirect'; readonly port: number }
  /** To a port of this host, as it is; marked. */
  | { readonly kind: 'tproxy'; readonly port: number; readonly mark: number }
  | { readonly kind: 'mark-and-accept'; readonly mark: number }
  /** Its connection gets its mark; nothing more in this chain. */
  | { readonly kind: 'save-mark' }
  /** It gets the mark of its connection. */
  | { readonly kind: 'restore-mark' };

export interface PacketRule {
  readonly match: Match;
  readonly verdict: Verdict;
}

/** When its rules are asked, in the order of the kernel. */
export type Table = 'mangle' | 'nat' | 'filter';

export interface PacketChain {
  /** Small letters. */
  readonly name: string;
  readonly table: Table;
  /** Absent: others jump there. */
  readonly hook?: 'prerouting' | 'output';
  readonly rules: readonly PacketRule[];
}

export type Ruleset = readonly PacketChain[];

/** A rule, or none where there is nothing that it could match. */
export function ruleFor<T>(list: readonly T[], rule: (list: readonly T[]) => PacketRule): PacketRule[] {
  return list.length === 0 ? [] : [rule([...new Set(list)])];
}

/** The family of packets that it can match; undefined: both. @throws where it names addresses of both */
export function familyOf({ source, destination, otherDestination }: Match): 4 | 6 | undefined {
  const named = [source ?? [], destination ?? [], otherDestination ?? []].flat();
  const families = new Set(named.map(versionOf));
  if (families.size > 1)
    throw new Error(`one rule cannot have addresses of both families: ${named.join(', ')}`);
  return [...families][0];
}

/** @param range an address or a CIDR */
export function versionOf(range: string): 4 | 6 {
  return parseIp(range.split('/')[0]!)?.length === 16 ? 6 : 4;
}

/**
 * Interfaces as the kernel names them, without what a tool would take for "and all that begin so".
 *
 * @param wildcard how that tool says it
 * @throws where it is none
 */
export function plainInterface(name: string, wildcard: string): string {
  if (isInterfaceName(name) && !name.endsWith(wildcard)) return name;
  throw new Error(`a rule for the interface ${JSON.stringify(name)} cannot be written`);
}

/** Whether it can be the name of one interface (dev_valid_name of the kernel), and stands for itself in both tools. */
export function isInterfaceName(name: string): boolean {
  return /^[^\s/:"'\\]{1,15}$/.test(name) && name !== '.' && name !== '..';
}
