/**
 * The network of one application alone: a namespace without a link to anywhere. What it sends by TCP, and its questions for
 * names, come to sockets in that namespace, which a sidecar outside listens on; all else is refused.
 */
import { capturePorts } from './capture-rules.ts';
import type { NamespaceMeans } from './means.ts';
import type { PodAddresses } from './mesh-network.ts';
import { Namespace } from './namespace.ts';
import type { PacketRule, Ruleset } from './packet-rules.ts';
import { bindScript, bindWords, type SeenFile } from './seen-files.ts';

/**
 * What the application has as its own address: nobody else's in any network, so that nothing it could call is taken for
 * itself (RFC 7335, and a ULA).
 */
const ownAddresses: PodAddresses = { ipv4: '192.0.0.2', ipv6: 'fd48:0:0:1::2' };

export interface LoneNetworkSettings {
  /** Whether IPv6 leads anywhere: an application that finds it does tries it first. */
  readonly hasIpv6: boolean;
  readonly seen: readonly SeenFile[];
}

/** @throws with what the system says where it cannot be made */
export async function openLoneNetwork(
  means: NamespaceMeans,
  { hasIpv6, seen }: LoneNetworkSettings,
): Promise<Namespace> {
  const { ip, mount } = means.programs;
  const namespace = await Namespace.open(means);
  try {
    await namespace.do([ip, '-batch', '-'], addressWords(hasIpv6));
    await namespace.setRules(loneRules);
    // It is nobody else's network: any of its ports may be had.
    await namespace.do(['/bin/sh', '-c', 'echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start || true']);
    if (seen.length > 0) await namespace.do(['/bin/sh', '-ec', bindScript, ...bindWords(mount, seen)]);
    return namespace;
  } catch (error) {
    await namespace.close();
    throw error;
  }
}

/** For `ip -batch`: every address is led to the loopback interface, where rules tell what becomes of it. */
function addressWords(hasIpv6: boolean): string {
  const { ipv4, ipv6 } = ownAddresses;
  const lines = [
    'link set lo up',
    `address add ${ipv4}/32 dev lo`,
    `route add local 0.0.0.0/0 dev lo src ${ipv4}`,
  ];
  if (hasIpv6) lines.push(`address add ${ipv6}/128 dev lo nodad`, `route add local ::/0 dev lo src ${ipv6}`);
  return lines.map((line) => `${line}\n`).join('');
}

const own = [
  ['127.0.0.0/8', ownAddresses.ipv4],
  ['::1', ownAddresses.ipv6],
] as const;

const toOwn = (kind: 'return' | 'accept'): PacketRule[] =>
  own.map((destination) => ({ match: { destination }, verdict: { kind } }));

const loneRules: Ruleset = [
  {
    name: 'outbound',
    table: 'nat',
    hook: 'output',
    rules: [
      {
        match: { protocols: ['tcp', 'udp'], ports: [53] },
        verdict: { kind: 'redirect', port: capturePorts.dns },
      },
      ...toOwn('return'),
      { match: { protocols: ['tcp'] }, verdict: { kind: 'redirect', port: capturePorts.outbound } },
    ],
  },
  {
    name: 'nowhere',
    table: 'filter',
    hook: 'output',
    rules: [...toOwn('accept'), { match: {}, verdict: { kind: 'reject' } }],
  },
];
