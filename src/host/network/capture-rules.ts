/**
 * What the kernel does with the connections of one network namespace, or of one user or cgroup in it, so that a sidecar gets
 * them. The same decisions, in the same order, as Istio's `istio-iptables`; but the sidecar's own connections are known
 * by a mark and not by a user, for without root there is one user.
 */
import type { PodAddresses } from './mesh-network.ts';
import {
  type CgroupPlace,
  type Match,
  type PacketChain,
  type PacketRule,
  type Ruleset,
  ruleFor,
  type Verdict,
  versionOf,
} from './packet-rules.ts';
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
  /** Only what processes of this user send is captured; without it and `cgroup`: what anybody sends. */
  readonly uid?: number;
  /** Only what processes in it send is captured. */
  readonly cgroup?: CgroupPlace;
  /** Whether questions to port 53 are answered by the sidecar. */
  readonly dns: boolean;
}

/**
 * TPROXY (Istio's number): what is for the sidecar though addressed to the application or to a client. It is on what
 * comes from clients, on what the sidecar sends the application in their names (`original_src`), and on the answers.
 */
const TPROXY_MARK = 1337;
/** Of `ip rule` (Istio's number). */
const TPROXY_TABLE = 133;

/** Rules that a sidecar gets the connections by. */
export function captureRules(rules: CaptureRules): Ruleset {
  const isTransparent = rules.mode === 'TPROXY';
  return [
    {
      name: 'inbound',
      table: isTransparent ? 'mangle' : 'nat',
      hook: 'prerouting',
      rules: inboundRules(rules),
    },
    ...(isTransparent
      ? [{ name: 'answers', table: 'mangle', hook: 'output', rules: answerRules } satisfies PacketChain]
      : []),
    ...outboundChains(rules),
  ];
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

const passed: Verdict = { kind: 'return' };
const pass = (match: Match): PacketRule => ({ match, verdict: passed });
const tcp = { protocols: ['tcp'] } as const;
const allButTcp: PacketRule = pass({ otherProtocol: 'tcp' });
/** Ports of TCP. */
const toPorts = (ports: readonly number[]): Match => ({ ...tcp, ports });

/** The application answers clients by way of the sidecar that spoke in their names. */
const answerRules: readonly PacketRule[] = [
  allButTcp,
  { match: { mark: TPROXY_MARK }, verdict: { kind: 'save-mark' } },
  { match: { connectionMark: TPROXY_MARK }, verdict: { kind: 'restore-mark' } },
];

function inboundRules(rules: CaptureRules): PacketRule[] {
  const { mode, includeInboundPorts: include } = rules;
  const verdict: Verdict =
    mode === 'TPROXY'
      ? { kind: 'tproxy', port: capturePorts.inbound, mark: TPROXY_MARK }
      : { kind: 'redirect', port: capturePorts.inbound };
  return [
    allButTcp,
    pass({ incoming: 'lo' }),
    ...hubRules(rules, 'source'),
    ...rules.excludeInterfaces.map((name) => pass({ incoming: name })),
    // What belongs to a connection that is there already finds its socket by itself.
    ...(mode === 'TPROXY' ? ofConnections : []),
    pass(toPorts(ownPorts)),
    ...ruleFor(rules.excludeInboundPorts, (ports) => pass(toPorts(ports))),
    ...(include === '*'
      ? [{ match: tcp, verdict }]
      : ruleFor(include, (ports) => ({ match: toPorts(ports), verdict }))),
  ];
}

const ofConnections: readonly PacketRule[] = [
  { match: { isTransparent: true }, verdict: { kind: 'mark-and-accept', mark: TPROXY_MARK } },
  pass({ isReply: true }),
];

function outboundChains(rules: CaptureRules): PacketChain[] {
  const sender = senderOf(rules);
  const toApplication = outboundOfSidecar(rules);
  const captured = outboundOfOthers(rules);
  const chain = { name: 'outbound', table: 'nat', hook: 'output' } as const;
  if (sender === undefined) return [{ ...chain, rules: [...toApplication, ...captured] }];
  // "Of nobody else" would be true of what the kernel sends by itself: it has neither user nor cgroup.
  const jump: PacketRule = { match: sender, verdict: { kind: 'jump', chain: 'selected' } };
  return [
    { name: 'selected', table: 'nat', rules: captured },
    { ...chain, rules: [...toApplication, jump] },
  ];
}

function senderOf({ uid, cgroup }: CaptureRules): Match | undefined {
  if (uid !== undefined && cgroup !== undefined)
    throw new Error('a user and a cgroup cannot be captured as one');
  if (uid !== undefined) return { uid };
  return cgroup === undefined ? undefined : { cgroup };
}

/** Of what the sidecar sends, what is for the inbound side of the same sidecar; else it goes where it goes. */
function outboundOfSidecar(rules: CaptureRules): PacketRule[] {
  const { includeInboundPorts: inbound } = rules;
  const mark = SIDECAR_MARK;
  // Beside the applications of one sender there are others, whom the sidecar reaches as anybody does.
  const isAll = senderOf(rules) === undefined || inbound === '*';
  const toItself = (match: Match): PacketRule[] => {
    const rule = (more: Match): PacketRule => ({
      match: { mark, outgoing: 'lo', ...match, ...more },
      verdict: { kind: 'redirect', port: capturePorts.inbound },
    });
    return isAll ? [rule(tcp)] : ruleFor(inbound, (ports) => rule(toPorts(ports)));
  };
  return [
    ...(rules.mode === 'TPROXY' ? [pass({ mark: TPROXY_MARK })] : []),
    pass({ source: [sourceOfInbound[4]], outgoing: 'lo' }),
    pass({ source: [sourceOfInbound[6]], outgoing: 'lo' }),
    // The sidecar calls a service that its own workload is an instance of.
    ...toItself({ otherDestination: '127.0.0.0/8' }),
    ...toItself({ otherDestination: '::1' }),
    pass({ mark }),
  ];
}

function outboundOfOthers(rules: CaptureRules): PacketRule[] {
  const { includeOutbound: include } = rules;
  const take = (match: Match): PacketRule => ({
    match: { ...tcp, ...match },
    verdict: { kind: 'redirect', port: capturePorts.outbound },
  });
  const questions: PacketRule = {
    match: { protocols: ['tcp', 'udp'], ports: [53] },
    verdict: { kind: 'redirect', port: capturePorts.dns },
  };
  return [
    ...hubRules(rules, 'destination'),
    ...(rules.dns ? [questions] : []),
    allButTcp,
    // An application that calls itself.
    pass({ outgoing: 'lo' }),
    ...ruleFor(rules.excludeOutboundPorts, (ports) => pass(toPorts(ports))),
    pass({ destination: ['127.0.0.0/8'] }),
    pass({ destination: ['::1'] }),
    ...byFamily(rules.excludeOutbound, pass),
    ...ruleFor(rules.includeOutboundPorts, (ports) => take({ ports })),
    ...(include === '*' ? [take({})] : byFamily(include, take)),
  ];
}

function hubRules({ hub }: CaptureRules, end: 'source' | 'destination'): PacketRule[] {
  return hub === undefined ? [] : [pass({ [end]: [hub.ipv4] }), pass({ [end]: [hub.ipv6] })];
}

/** Ranges of both families, each as its own match. */
function byFamily(ranges: readonly string[], rule: (match: Match) => PacketRule): PacketRule[] {
  return ([4, 6] as const).flatMap((version) =>
    ruleFor(
      ranges.filter((range) => versionOf(range) === version),
      (destination) => rule({ destination }),
    ),
  );
}
