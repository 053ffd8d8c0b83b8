/** Rules for packets as iptables-restore(8) and ip6tables-restore(8) read them: each family has a text of its own. */
import {
  familyOf,
  type Match,
  type PacketChain,
  type PacketRule,
  plainInterface,
  type Ruleset,
  type Table,
  type Verdict,
} from './packet-rules.ts';

export type Family = 4 | 6;

/** Of one table. */
export interface IptablesPart {
  readonly table: Table;
  readonly chains: readonly { readonly name: string; readonly rules: readonly string[] }[];
  /** From the kernel's own chains to these. */
  readonly jumps: readonly { readonly from: string; readonly to: string }[];
}

/** Of the kernel, where rules of nobody else are: naming one empties it. */
const tables: readonly Table[] = ['mangle', 'nat', 'filter'];

/**
 * For a network namespace of our own: takes the place of all rules there, of each table at once.
 *
 * @throws where a rule cannot be said
 */
export function iptablesText(rules: Ruleset, family: Family): string {
  const parts = iptablesParts(rules, family, 'HEDDLE');
  return tables
    .map((table) => {
      const part = parts.find((one) => one.table === table);
      const lines = part === undefined ? [] : [...chainLines(part), ...part.jumps.map(jumpLine('-A'))];
      return tableText(table, lines);
    })
    .join('');
}

/** @param prefix of the names of chains, which have at most 28 letters. @throws where a rule cannot be said */
export function iptablesParts(rules: Ruleset, family: Family, prefix: string): IptablesPart[] {
  const nameOf = (chain: string): string => `${prefix}_${chain.toUpperCase()}`;
  return [...Map.groupBy(rules, ({ table }) => table)].map(([table, chains]) => ({
    table,
    chains: chains.map((chain) => ({ name: nameOf(chain.name), rules: linesOf(chain, family, nameOf) })),
    jumps: chains.flatMap(({ name, hook }) =>
      hook === undefined ? [] : [{ from: hook.toUpperCase(), to: nameOf(name) }],
    ),
  }));
}

/** Chains, and what they hold now instead of what they held. */
export function chainLines({ chains }: Pick<IptablesPart, 'chains'>): string[] {
  return [
    ...chains.map(({ name }) => `:${name} - [0:0]`),
    ...chains.flatMap(({ name, rules }) => rules.map((rule) => `-A ${name} ${rule}`.trimEnd())),
  ];
}

/** @param verb `-A`: after others; `-I`: before them */
export function jumpLine(verb: '-A' | '-I'): (jump: IptablesPart['jumps'][number]) => string {
  return ({ from, to }) => `${verb} ${from} -j ${to}`;
}

export function tableText(table: string, lines: readonly string[]): string {
  return [`*${table}`, ...lines, 'COMMIT', ''].join('\n');
}

type NameOf = (chain: string) => string;

function linesOf({ rules }: PacketChain, family: Family, nameOf: NameOf): string[] {
  return rules.flatMap(({ match, verdict }: PacketRule) => {
    if (![undefined, family].includes(familyOf(match))) return [];
    return alternatives(match).flatMap((words) =>
      targets(verdict, family, nameOf).map((target) => [...words, target].join(' ')),
    );
  });
}

/** A rule has one address, one protocol and a few ports: what has more is that many rules. */
function alternatives(match: Match): string[][] {
  let all: string[][] = [[]];
  for (const [name, words] of Object.entries(matches)) {
    if (match[name as keyof Match] === undefined) continue;
    const these = words(match as Required<Match>);
    all = all.flatMap((before) => these.map((one) => [...before, one]));
  }
  return all;
}

const matches: Readonly<Record<keyof Match, (match: Required<Match>) => readonly string[]>> = {
  mark: ({ mark }) => [`-m mark --mark ${mark}`],
  connectionMark: ({ connectionMark }) => [`-m connmark --mark ${connectionMark}`],
  source: ({ source }) => source.map((range) => `-s ${range}`),
  incoming: ({ incoming }) => [`-i ${plainInterface(incoming, '+')}`],
  outgoing: ({ outgoing }) => [`-o ${plainInterface(outgoing, '+')}`],
  destination: ({ destination }) => destination.map((range) => `-d ${range}`),
  otherDestination: ({ otherDestination }) => [`! -d ${otherDestination}`],
  protocols: ({ protocols }) => protocols.map((protocol) => `-p ${protocol}`),
  otherProtocol: ({ otherProtocol }) => [`! -p ${otherProtocol}`],
  ports: ({ ports }) => portGroups(ports),
  uid: ({ uid }) => [`-m owner --uid-owner ${uid}`],
  cgroup: ({ cgroup: { path } }) => [`-m cgroup --path ${quoted(path)}`],
  isTransparent: () => ['-m socket --transparent'],
  isReply: () => ['-m conntrack --ctdir REPLY'],
};

/** That the match `multiport` takes. */
const MAX_PORTS = 15;

function portGroups(ports: readonly number[]): string[] {
  if (ports.length === 1) return [`--dport ${ports[0]}`];
  const groups: string[] = [];
  for (let at = 0; at < ports.length; at += MAX_PORTS) {
    groups.push(`-m multiport --dports ${ports.slice(at, at + MAX_PORTS).join(',')}`);
  }
  return groups;
}

/** One after the other, each of a rule of its own. */
function targets(verdict: Verdict, family: Family, nameOf: NameOf): readonly string[] {
  switch (verdict.kind) {
    case 'return':
      return ['-j RETURN'];
    case 'accept':
      return ['-j ACCEPT'];
    case 'reject':
      return [`-j REJECT --reject-with ${family === 4 ? 'icmp' : 'icmp6'}-port-unreachable`];
    case 'jump':
      return [`-j ${nameOf(verdict.chain)}`];
    case 'redirect':
      return [`-j REDIRECT --to-ports ${verdict.port}`];
    case 'tproxy':
      return [`-j TPROXY --on-port ${verdict.port} --tproxy-mark ${verdict.mark}`];
    case 'mark-and-accept':
      return [`-j MARK --set-mark ${verdict.mark}`, '-j ACCEPT'];
    case 'save-mark':
      return ['-j CONNMARK --save-mark', '-j RETURN'];
    case 'restore-mark':
      return ['-j CONNMARK --restore-mark'];
  }
}

function quoted(text: string): string {
  if (/[\n\0]/.test(text)) throw new Error(`iptables cannot be told of ${JSON.stringify(text)}`);
  return `"${text.replaceAll(/["\\]/g, '\\$&')}"`;
}
