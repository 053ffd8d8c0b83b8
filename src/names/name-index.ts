/** The control plane's name table as it is looked up in. Never changes: a new table is a new index. */
import { formatIp, parseIp } from '#core/ip-address.ts';
import type { Problem } from '#core/problem.ts';
import type { Steps } from '#core/time-slice.ts';
import type { NameTable, NameTable_NameInfo } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { isPlainName } from './message.ts';

export interface HostPort {
  readonly name: string;
  /** `tcp`, `udp` or `sctp`. */
  readonly protocol: string;
  readonly number: number;
}

export interface Host {
  /** As the table has it, in lower case; of a wildcard without the `*.`. */
  readonly name: string;
  readonly ipv4: readonly string[];
  readonly ipv6: readonly string[];
  readonly ports: readonly HostPort[];
  /** What it is another name for. */
  readonly externalName?: string;
  /** Of a headless service: the names of its pods, one label longer. */
  readonly instances: readonly Host[];
}

export interface NameIndex {
  /** By full name. */
  readonly hosts: ReadonlyMap<string, Host>;
  /** By the part below which they stand for every name. */
  readonly wildcards: ReadonlyMap<string, Host>;
  /** Names of the cluster's domain that have something below them and nothing of their own. */
  readonly branches: ReadonlySet<string>;
  /** Names of an address, as {@link reverseName} writes it. */
  readonly pointers: ReadonlyMap<string, readonly string[]>;
  /** Kubernetes namespaces that have a service. */
  readonly namespaces: ReadonlySet<string>;
}

export interface GrowingHost extends Host {
  readonly instances: Host[];
}

export interface IndexedNames {
  readonly index: NameIndex;
  /** Names and addresses that are none, and were left out. */
  readonly problems: readonly Problem[];
}

/** Names that are looked at without a pause. */
const NAMES_A_STEP = 16;

/** @param domain the cluster's, such as `cluster.local`. */
export function* indexNames({ table }: NameTable, domain: string): Steps<IndexedNames> {
  const problems: Problem[] = [];
  const hosts = new Map<string, GrowingHost>();
  const wildcards = new Map<string, Host>();
  const namespaces = new Set<string>();
  const services = `svc.${domain}`;
  let seen = 0;
  for (const key in table) {
    if (++seen % NAMES_A_STEP === 0) yield;
    const info = table[key]!;
    const name = key.toLowerCase().replace(/\.$/, '');
    const isWildcard = name.startsWith('*.');
    const host = hostOf(isWildcard ? name.slice(2) : name, info, problems);
    if (host === undefined) continue;
    if (isWildcard) wildcards.set(host.name, host);
    else hosts.set(host.name, host);
    if (info.namespace !== '' && isBelow(host.name, services)) namespaces.add(info.namespace);
  }
  const index = yield* indexHosts({ hosts, wildcards, namespaces }, domain);
  return { index, problems };
}

/** What the rest of an index follows from; its hosts have no instances yet. */
export interface IndexedHosts {
  readonly hosts: ReadonlyMap<string, GrowingHost>;
  readonly wildcards: ReadonlyMap<string, Host>;
  readonly namespaces: ReadonlySet<string>;
}

export function* indexHosts(
  { hosts, wildcards, namespaces }: IndexedHosts,
  domain: string,
): Steps<NameIndex> {
  const services = `svc.${domain}`;
  let seen = 0;
  for (const [name, host] of hosts) {
    if (++seen % NAMES_A_STEP === 0) yield;
    if (isBelow(name, services)) hosts.get(parentOf(name))?.instances.push(host);
  }
  const branches = yield* branchesOf(hosts.keys(), namespaces, domain);
  const pointers = yield* pointersOf(hosts.values(), domain);
  return { hosts, wildcards, namespaces, branches, pointers };
}

function hostOf(name: string, info: NameTable_NameInfo, problems: Problem[]): GrowingHost | undefined {
  const warn = (message: string): void => void problems.push({ level: 'warning', resource: name, message });
  if (!isPlainName(name) || name.includes('*')) {
    warn('is no name that DNS can ask for');
    return undefined;
  }
  const ipv4: string[] = [];
  const ipv6: string[] = [];
  for (const ip of info.ips) {
    const bytes = parseIp(ip);
    if (bytes === undefined) warn(`${JSON.stringify(ip)} is no IP address`);
    else (bytes.length === 4 ? ipv4 : ipv6).push(formatIp(bytes));
  }
  const externalName = info.externalName.toLowerCase().replace(/\.$/, '');
  if (externalName !== '' && !isPlainName(externalName)) {
    warn(`${JSON.stringify(info.externalName)} is no name that DNS can ask for`);
    return undefined;
  }
  const ports = info.ports.map(({ name: port, protocol, number }) => ({
    name: port.toLowerCase(),
    protocol: protocol.toLowerCase(),
    number,
  }));
  const host = { name, ipv4, ipv6, ports, instances: [] };
  return externalName === '' ? host : { ...host, externalName };
}

/** What stands between the cluster's domain and the hosts below it. */
function* branchesOf(
  names: Iterable<string>,
  namespaces: ReadonlySet<string>,
  domain: string,
): Steps<ReadonlySet<string>> {
  const branches = new Set([domain, `svc.${domain}`, `pod.${domain}`]);
  for (const namespace of namespaces) branches.add(`${namespace}.pod.${domain}`);
  let seen = 0;
  for (const name of names) {
    if (++seen % NAMES_A_STEP === 0) yield;
    if (!isBelow(name, domain)) continue;
    for (let above = parentOf(name); !branches.has(above); above = parentOf(above)) branches.add(above);
  }
  return branches;
}

/** Of services their address, of headless ones those of their instances. */
function* pointersOf(hosts: Iterable<Host>, domain: string): Steps<ReadonlyMap<string, readonly string[]>> {
  const pointers = new Map<string, string[]>();
  let seen = 0;
  for (const { name, ipv4, ipv6, instances } of hosts) {
    if (++seen % NAMES_A_STEP === 0) yield;
    if (instances.length > 0 || !isBelow(name, `svc.${domain}`)) continue;
    for (const ip of [...ipv4, ...ipv6]) {
      const key = reverseName(ip);
      const known = pointers.get(key);
      if (known === undefined) pointers.set(key, [name]);
      else if (!known.includes(name)) known.push(name);
    }
  }
  return pointers;
}

/** `4.3.2.1.in-addr.arpa` (RFC 1035 §3.5), or the sixteen bytes of IPv6 by half bytes (RFC 3596 §2.5). */
export function reverseName(ip: string): string {
  const bytes = parseIp(ip)!;
  if (bytes.length === 4) return `${bytes.toReversed().join('.')}.in-addr.arpa`;
  const halves = bytes.flatMap((byte) => [byte >>> 4, byte & 0xf]).toReversed();
  return `${halves.map((half) => half.toString(16)).join('.')}.ip6.arpa`;
}

export function isBelow(name: string, domain: string): boolean {
  return name.endsWith(domain) && name[name.length - domain.length - 1] === '.';
}

/** The name without its first label; '' above the last one. */
export function parentOf(name: string): string {
  const dot = name.indexOf('.');
  return dot === -1 ? '' : name.slice(dot + 1);
}
