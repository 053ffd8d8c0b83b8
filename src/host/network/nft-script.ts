/** Rules for packets as a script for `nft -f -` (nft(8)), for both families in one table. */
import {
  familyOf,
  type Match,
  type PacketChain,
  type PacketRule,
  plainInterface,
  type Ruleset,
  type Verdict,
} from './packet-rules.ts';

/** Takes the place of the rules there were in that table, all at once. */
export function nftScript(rules: Ruleset, table: string): string {
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
${rules.map(chainText).join('\n')}
}
`;
}

/** Types and priorities; those of iptables' tables, of which those of addresses are changed first where both are. */
const hooks: Readonly<Record<PacketChain['table'], (hook: 'prerouting' | 'output') => string>> = {
  mangle: (hook) => `${hook === 'output' ? 'route' : 'filter'} hook ${hook} priority -150`,
  nat: (hook) => `nat hook ${hook} priority -100`,
  filter: (hook) => `filter hook ${hook} priority 0`,
};

function chainText({ name, table, hook, rules }: PacketChain): string {
  const head = hook === undefined ? [] : [`type ${hooks[table](hook)}; policy accept;`];
  const lines = [...head, ...rules.map(ruleText)].map((line) => `    ${line}\n`);
  return `  chain ${name} {\n${lines.join('')}  }`;
}

function ruleText({ match, verdict }: PacketRule): string {
  familyOf(match);
  const words = Object.entries(matches).flatMap(([name, words]) =>
    match[name as keyof Match] === undefined ? [] : words(match as Required<Match>),
  );
  return [...words, verdictText(verdict)].join(' ');
}

const matches: Readonly<Record<keyof Match, (match: Required<Match>) => readonly string[]>> = {
  mark: ({ mark }) => [`meta mark ${mark}`],
  connectionMark: ({ connectionMark }) => [`ct mark ${connectionMark}`],
  source: ({ source }) => [`${ip(source[0]!)} saddr ${set(source)}`],
  incoming: ({ incoming }) => [`iifname ${quoted(incoming)}`],
  outgoing: ({ outgoing }) => [`oifname ${quoted(outgoing)}`],
  destination: ({ destination }) => [`${ip(destination[0]!)} daddr ${set(destination)}`],
  otherDestination: ({ otherDestination: other }) => [`${ip(other)} daddr != ${other}`],
  protocols: ({ protocols, ports }) =>
    // Ports alone say of which protocol they are.
    ports !== undefined && protocols.length === 1 ? [] : [`meta l4proto ${set(protocols)}`],
  otherProtocol: ({ otherProtocol }) => [`meta l4proto != ${otherProtocol}`],
  ports: ({ ports, protocols }) => [`${protocols.length === 1 ? protocols[0] : 'th'} dport ${set(ports)}`],
  uid: ({ uid }) => [`meta skuid ${uid}`],
  cgroup: ({ cgroup: { path } }) => [`socket cgroupv2 level ${path.split('/').length} ${literal(path)}`],
  isTransparent: () => ['socket transparent 1'],
  isReply: () => ['ct direction reply'],
};

function verdictText(verdict: Verdict): string {
  switch (verdict.kind) {
    case 'return':
    case 'accept':
      return verdict.kind;
    case 'reject':
      return 'reject with icmpx type port-unreachable';
    case 'jump':
      return `jump ${verdict.chain}`;
    case 'redirect':
      return `redirect to :${verdict.port}`;
    case 'tproxy':
      return `meta mark set ${verdict.mark} tproxy to :${verdict.port} accept`;
    case 'mark-and-accept':
      return `meta mark set ${verdict.mark} accept`;
    case 'save-mark':
      return 'ct mark set meta mark return';
    case 'restore-mark':
      return 'meta mark set ct mark';
  }
}

const ip = (range: string): string => (familyOf({ source: [range] }) === 6 ? 'ip6' : 'ip');

/** What is quoted ends with the next quote, whatever is before it. */
function literal(text: string): string {
  if (/["\n\0]/.test(text)) throw new Error(`nft cannot be told of ${JSON.stringify(text)}`);
  return `"${text}"`;
}

const quoted = (name: string): string => literal(plainInterface(name, '*'));

const set = (members: readonly (string | number)[]): string =>
  members.length === 1 ? String(members[0]) : `{ ${members.join(', ')} }`;
