/**
 * What the kernel does with the connections of one network namespace, or of one user in it, so that a sidecar gets them, as an nftables
 * script (nft(8)). The same decisions, in the same order, as Istio's `istio-iptables`; but the sidecar's own
 * connections are known by a mark and not by a user, for without root there is one user.
 */
import { parseIp } from '#core/ip-address.ts';
import type { PodAddresses } from './mesh-network.ts';
import { SIDECAR_MARK } from './sidecar-mark.ts';

/** Istio's port numbers. */
export const capturePorts = { outbound: 15_001, inbound: 15_006, dns: 15_053 } as const;

/** What a sidecar listens on for others than its application: never captured on the way in. */
const ownPorts: readonly number[] = [15_020, 15_021, 15_090];

/** From where a sidecar calls its own application (Istio); that of IPv6 must be given to the loopback interface. */
export const sourceOfInbound = { 4: '127.0.0.6', 6: '::6' } as const;

/** Everything, or what the list names. */
export type Selection<T> = '*' | readonly T[];

export interface CaptureRules {
  readonly mode: 'REDIRECT' | 'TPROXY';
  /** Ports whose incoming connections go to the sidecar. */
  readonly includeInboundPorts: Selection<number>;
  readonly excludeInboundPorts: readonly number[];
  /** Destinations, as CIDRs. */
  readonly includeOutbound: Selection<string>;
  readonly excludeOutbound: readonly string[];
  /** Ports whose connections go to the sidecar wherever they lead. */
  readonly includeOutboundPorts: readonly number[];
  readonly excludeOutboundPorts: readonly number[];
  /** Interfaces whose incoming connections are nobody's business. */
  readonly excludeInterfaces: readonly string[];
  /**
   * Of the hub: it reaches applications past the sidecar, to ask after their health, and they reach it.
   * Absent: there is none.
   */
  readonly hub?: PodAddresses;
  /** Only what processes of this user send is captured; absent: what anybody sends. */
  readonly uid?: number;
  /** Whether questions to port 53 are answered by the sidecar. */
  readonly dns: boolean;
}

/** Of rules for a whole namespace. */
const TABLE = 'heddle';
/**
 * TPROXY (Istio's number): what is for the sidecar though addressed to the application or to a client. It is on what
 * comes from clients, on what the sidecar sends the application in their names (`original_src`), and on the answers.
 */
const TPROXY_MARK = 1337;
/** Of `ip rule` (Istio's number). */
const TPROXY_TABLE = 133;

/** A script for `nft -f -`: takes the place of the rules there were, all at once. */
export function captureScript(rules: CaptureRules, table: string = TABLE): string {
  const inbound = inboundRules(rules);
  const isTransparent = rules.mode === 'TPROXY';
  return `table inet ${table}
delete table inet ${table}
table inet ${table} {
${chain('inbound', isTransparent ? 'filter hook prerouting priority -150' : 'nat hook prerouting priority -100', inbound)}
${isTransparent ? chain('answers', 'route hook output priority -150', answerRules) : ''}
${chain('outbound', 'nat hook output priority -100', outboundRules(rules))}
}
`;
}

/**
 * For `sh`, to be run before the rules, where the machine has this set (as VPNs do) and namespaces with it: packets
 * that TPROXY marks would be taken for ones with a false source.
 */
export const tproxySettings = `
for name in all default eth0; do
  file=/proc/sys/net/ipv4/conf/$name/src_valid_mark
  [ ! -e "$file" ] || [ "$(cat "$file")" = 0 ] || echo 0 > "$file"
done
`;

/** Words for `ip`, to be run before the rules: what TPROXY marks comes in by way of the loopback interface. */
export const tproxyRoutes: readonly (readonly string[])[] = ['-4', '-6'].flatMap((family) => [
  [family, 'rule', 'add', 'fwmark', String(TPROXY_MARK), 'lookup', String(TPROXY_TABLE)],
  [family, 'route', 'add', 'local', 'default', 'dev', 'lo', 'table', String(TPROXY_TABLE)],
]);

/** The application answers clients by way of the sidecar that spoke in their names. */
const answerRules: readonly string[] = [
  'meta l4proto != tcp return',
  `meta mark ${TPROXY_MARK} ct mark set meta mark return`,
  `ct mark ${TPROXY_MARK} meta mark set ct mark`,
];

function inboundRules(rules: CaptureRules): string[] {
  const { mode, includeInboundPorts: include } = rules;
  const take =
    mode === 'TPROXY'
      ? `meta l4proto tcp meta mark set ${TPROXY_MARK} tproxy to :${capturePorts.inbound} accept`
      : `meta l4proto tcp redirect to :${capturePorts.inbound}`;
  return [
    'meta l4proto != tcp return',
    'iifname "lo" return',
    ...hubRules(rules, 'saddr'),
    ...rules.excludeInterfaces.map((name) => `iifname ${JSON.stringify(name)} return`),
    // What belongs to a connection that is there already finds its socket by itself.
    ...(mode === 'TPROXY'
      ? [`socket transparent 1 meta mark set ${TPROXY_MARK} accept`, 'ct direction reply return']
      : []),
    `tcp dport ${set(ownPorts)} return`,
    ...unless(rules.excludeInboundPorts, (ports) => `tcp dport ${set(ports)} return`),
    ...(include === '*' ? [take] : unless(include, (ports) => `tcp dport ${set(ports)} ${take}`)),
  ];
}

function outboundRules(rules: CaptureRules): string[] {
  const { includeOutbound: include } = rules;
  const take = `meta l4proto tcp redirect to :${capturePorts.outbound}`;
  const own = `meta mark ${SIDECAR_MARK}`;
  const { uid, includeInboundPorts: inbound } = rules;
  // Beside one user's applications there are others, whom the sidecar reaches as anybody does.
  const ofApplication =
    uid === undefined || inbound === '*' ? 'meta l4proto tcp' : `tcp dport ${set(inbound)}`;
  const toItself = (match: string): string[] =>
    uid !== undefined && inbound.length === 0
      ? []
      : [`${own} oifname "lo" ${match} ${ofApplication} redirect to :${capturePorts.inbound}`];
  return [
    ...(rules.mode === 'TPROXY' ? [`meta mark ${TPROXY_MARK} return`] : []),
    `ip saddr ${sourceOfInbound[4]} oifname "lo" return`,
    `ip6 saddr ${sourceOfInbound[6]} oifname "lo" return`,
    // The sidecar calls a service that its own workload is an instance of.
    ...toItself('ip daddr != 127.0.0.0/8'),
    ...toItself('ip6 daddr != ::1'),
    `${own} return`,
    ...(uid === undefined ? [] : [`meta skuid != ${uid} return`]),
    ...hubRules(rules, 'daddr'),
    ...(rules.dns ? [`meta l4proto { tcp, udp } th dport 53 redirect to :${capturePorts.dns}`] : []),
    'meta l4proto != tcp return',
    // An application that calls itself.
    'oifname "lo" return',
    ...unless(rules.excludeOutboundPorts, (ports) => `tcp dport ${set(ports)} return`),
    'ip daddr 127.0.0.0/8 return',
    'ip6 daddr ::1 return',
    ...byFamily(rules.excludeOutbound, (match) => `${match} return`),
    ...unless(rules.includeOutboundPorts, (ports) => `tcp dport ${set(ports)} ${take}`),
    ...(include === '*' ? [take] : byFamily(include, (match) => `${match} ${take}`)),
  ];
}

function hubRules({ hub }: CaptureRules, end: 'saddr' | 'daddr'): string[] {
  return hub === undefined ? [] : [`ip ${end} ${hub.ipv4} return`, `ip6 ${end} ${hub.ipv6} return`];
}

/** Ranges of both families, each as its own match. */
function byFamily(ranges: readonly string[], rule: (match: string) => string): string[] {
  const isV6 = (range: string): boolean => parseIp(range.split('/')[0]!)?.length === 16;
  return [
    ...unless(
      ranges.filter((range) => !isV6(range)),
      (v4) => rule(`ip daddr ${set(v4)}`),
    ),
    ...unless(ranges.filter(isV6), (v6) => rule(`ip6 daddr ${set(v6)}`)),
  ];
}

function unless<T>(list: readonly T[], rule: (list: readonly T[]) => string): string[] {
  return list.length === 0 ? [] : [rule(list)];
}

const set = (members: readonly (string | number)[]): string => `{ ${[...new Set(members)].join(', ')} }`;

function chain(name: string, hook: string, rules: readonly string[]): string {
  const lines = [`type ${hook}; policy accept;`, ...rules].map((line) => `    ${line}\n`);
  return `  chain ${name} {\n${lines.join('')}  }`;
}
