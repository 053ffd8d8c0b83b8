/**
 * Answers out of the name table, as Kubernetes' DNS gives them (DNS-Based Service Discovery 1.1.0), and as
 * Istio's agent does for hosts outside the cluster and for names that a search list was tried on.
 */
import { formatIp, parseIp } from '#core/ip-address.ts';
import { code, isPlainName, type } from './message.ts';
import { type Host, type HostPort, isBelow, type NameIndex, parentOf } from './name-index.ts';
import type { NameRecord } from './record.ts';
import type { ReplyContent } from './reply.ts';

export interface Zone {
  readonly index: NameIndex;
  /** Of the workload that asks: its services have the shortest names. */
  readonly namespace: string;
  /** `cluster.local`. */
  readonly domain: string;
  /** Of SOA: grows with every table. */
  readonly serial: number;
}

export interface ZoneAnswer extends ReplyContent {
  /** The last of `answers` is another name for this one, which is not ours: its records are to be added. */
  readonly continuesAt?: string;
}

/** Seconds, of everything here, as Istio's agent says. */
export const TTL_S = 30;
const SCHEMA_VERSION = '1.1.0';
const MAX_CHAIN = 8;

interface Question {
  /** Lower case, without a dot at its end. */
  readonly name: string;
  readonly type: number;
  /** Which of several addresses comes first: from 0, the first of them, to less than 1. */
  readonly turn: number;
}

/** Undefined: the name is not ours, somebody else is to be asked. */
export function answerFrom(zone: Zone, question: Question): ZoneAnswer | undefined {
  const { name } = question;
  const { domain, index } = zone;
  const pointers = index.pointers.get(name);
  if (pointers !== undefined) return pointerAnswer(zone, question, pointers);
  const found = isPlainName(name) ? find(zone, name) : undefined;
  if (found !== undefined) return answerOf(zone, question, found);
  if (name === domain || isBelow(name, domain)) return apexAnswer(zone, question);
  return undefined;
}

/** What a name of ours means. */
type Found =
  | { readonly kind: 'host'; readonly host: Host; readonly isOutside: boolean }
  | { readonly kind: 'ports'; readonly host: Host; readonly ports: readonly HostPort[] }
  | { readonly kind: 'address'; readonly ip: string }
  | { readonly kind: 'searched'; readonly target: string };

function find(zone: Zone, name: string): Found | undefined {
  return findFull(zone, name) ?? findShort(zone, name) ?? findSearched(zone, name) ?? findBelow(zone, name);
}

function findFull({ index, domain }: Zone, name: string): Found | undefined {
  const host = index.hosts.get(name);
  if (host !== undefined) {
    const isOutside = !isBelow(name, domain);
    // Istio's table names hosts it has no address for: they are somewhere else.
    return isOutside && isEmpty(host) ? undefined : { kind: 'host', host, isOutside };
  }
  if (name.startsWith('_')) return findPorts(index, name);
  return isBelow(name, `pod.${domain}`) ? findPod(index, name, domain) : undefined;
}

/** `reviews`, `reviews.default` and `reviews.default.svc`, as the search list of a Pod would make them full. */
function findShort(zone: Zone, name: string): Found | undefined {
  const { namespace, domain } = zone;
  for (const suffix of [`${namespace}.svc.${domain}`, `svc.${domain}`, domain]) {
    const found = findFull(zone, `${name}.${suffix}`);
    if (found?.kind === 'host' || found?.kind === 'ports') return found;
  }
  return undefined;
}

/**
 * `api.example.com.default.svc.cluster.local`: the search list's first try, answered at once with what a later
 * one would find (Istio's agent, CoreDNS' autopath).
 */
function findSearched(zone: Zone, name: string): Found | undefined {
  const suffix = `${zone.namespace}.svc.${zone.domain}`;
  if (!isBelow(name, suffix)) return undefined;
  const target = name.slice(0, -suffix.length - 1);
  const found = findFull(zone, target) ?? findShort(zone, target) ?? findBelow(zone, target);
  return found && { kind: 'searched', target };
}

/** The nearest wildcard above. */
function findBelow({ index, domain }: Zone, name: string): Found | undefined {
  if (index.wildcards.size === 0) return undefined;
  for (let above = parentOf(name); above !== ''; above = parentOf(above)) {
    const host = index.wildcards.get(above);
    if (host === undefined) continue;
    return isEmpty(host) ? undefined : { kind: 'host', host, isOutside: !isBelow(above, domain) };
  }
  return undefined;
}

function isEmpty({ ipv4, ipv6, externalName }: Host): boolean {
  return ipv4.length === 0 && ipv6.length === 0 && externalName === undefined;
}

/** `_http._tcp.` or `_tcp.` before a service. */
function findPorts({ hosts }: NameIndex, name: string): Found | undefined {
  const [first, second] = name.split('.', 2) as [string, string | undefined];
  if (second?.startsWith('_') !== true) {
    const host = hosts.get(parentOf(name));
    // Nothing stands at the protocol itself.
    const isBranch = host?.ports.some((port) => port.name !== '' && `_${port.protocol}` === first);
    return host !== undefined && isBranch === true ? { kind: 'ports', host, ports: [] } : undefined;
  }
  const host = hosts.get(parentOf(parentOf(name)));
  const ports = host?.ports.filter(
    (port) => port.name !== '' && `_${port.name}` === first && `_${port.protocol}` === second,
  );
  return host === undefined || !ports?.length ? undefined : { kind: 'ports', host, ports };
}

/** `10-1-2-3.default.pod.cluster.local`, of whatever Pod it may be (CoreDNS' `pods insecure`). */
function findPod({ namespaces }: NameIndex, name: string, domain: string): Found | undefined {
  const [dashed = '', namespace = '', ...rest] = name.slice(0, -`.pod.${domain}`.length).split('.');
  if (rest.length > 0 || !namespaces.has(namespace)) return undefined;
  const isV4 = dashed.split('-').length === 4;
  const bytes = parseIp(dashed.replaceAll('-', isV4 ? '.' : ':'));
  return bytes && { kind: 'address', ip: formatIp(bytes) };
}

function answerOf(zone: Zone, question: Question, found: Found): ZoneAnswer | undefined {
  switch (found.kind) {
    case 'host':
      return hostAnswer(zone, question, found.host, found.isOutside);
    case 'ports':
      return serviceAnswer(zone, question, found.host, found.ports);
    case 'address':
      return orNothing(zone, question, addressRecords(question.name, [found.ip], question));
    case 'searched':
      return searchedAnswer(zone, question, found.target);
  }
}

function hostAnswer(zone: Zone, question: Question, host: Host, isOutside: boolean): ZoneAnswer | undefined {
  const { name } = question;
  if (host.externalName !== undefined) return aliasAnswer(zone, question, host.externalName, 0);
  // What else there is of a host outside, such as MX, the mesh does not know.
  if (isOutside && !asksAddress(question)) return undefined;
  if (isEmpty(host)) return noName(zone);
  if (question.type === type.SRV) return serviceAnswer(zone, question, host, host.ports);
  return orNothing(zone, question, hostRecords(host, name, question), isOutside);
}

function asksAddress({ type: asked }: Question): boolean {
  return asked === type.A || asked === type.AAAA || asked === type.ANY;
}

function hostRecords(host: Host, owner: string, question: Question): NameRecord[] {
  return addressRecords(owner, [...host.ipv4, ...host.ipv6], question);
}

/** Those of the family that is asked for, rotated. */
function addressRecords(owner: string, ips: readonly string[], question: Question): NameRecord[] {
  const records = ips.flatMap((data): NameRecord[] => {
    const family = data.includes(':') ? 'AAAA' : 'A';
    const isWanted = question.type === type[family] || question.type === type.ANY;
    return isWanted ? [{ type: family, owner, ttl: TTL_S, data }] : [];
  });
  const first = Math.floor(question.turn * records.length);
  return [...records.slice(first), ...records.slice(0, first)];
}

/** Every port of a service at its address; of a headless one, every port of every instance. */
function serviceAnswer(zone: Zone, question: Question, host: Host, ports: readonly HostPort[]): ZoneAnswer {
  if (isEmpty(host)) return noName(zone);
  if (question.type !== type.SRV && question.type !== type.ANY) return nothing(zone);
  const isOneOf = (one: HostPort): boolean =>
    ports.some(({ name, protocol }) => name === one.name && protocol === one.protocol);
  const targets = host.instances.length > 0 ? host.instances : [host];
  const offered = targets.flatMap((target) =>
    target.ports.filter(isOneOf).map((port) => ({ target: target.name, port: port.number })),
  );
  if (offered.length === 0) return nothing(zone);
  const weight = Math.max(1, Math.floor(100 / offered.length));
  const answers = offered.map(
    ({ target, port }): NameRecord => ({
      type: 'SRV',
      owner: question.name,
      ttl: TTL_S,
      data: { priority: 0, weight, port, target },
    }),
  );
  const both = { ...question, type: type.ANY, turn: 0 };
  return {
    code: code.noError,
    answers,
    authorities: [],
    additionals: targets.flatMap((target) => hostRecords(target, target.name, both)),
  };
}

/** Another name, and its records where they are ours too. */
function aliasAnswer(zone: Zone, question: Question, target: string, depth: number): ZoneAnswer {
  const alias: NameRecord = { type: 'CNAME', owner: question.name, ttl: TTL_S, data: target };
  const only = { code: code.noError, answers: [alias], authorities: [], additionals: [] };
  if (question.type === type.CNAME || question.type === type.ANY || depth >= MAX_CHAIN) return only;
  const found = findFull(zone, target) ?? findBelow(zone, target);
  if (found === undefined) {
    if (target === zone.domain || isBelow(target, zone.domain)) return only;
    return { ...only, continuesAt: target };
  }
  const next = { ...question, name: target };
  const rest =
    found.kind === 'host' && found.host.externalName !== undefined
      ? aliasAnswer(zone, next, found.host.externalName, depth + 1)
      : answerOf(zone, next, found);
  if (rest === undefined) return { ...only, continuesAt: target };
  return { ...rest, answers: [alias, ...rest.answers] };
}

function searchedAnswer(zone: Zone, question: Question, target: string): ZoneAnswer {
  const alias: NameRecord = { type: 'CNAME', owner: question.name, ttl: TTL_S, data: target };
  const only = { code: code.noError, answers: [alias], authorities: [], additionals: [] };
  if (question.type === type.CNAME) return only;
  const rest = answerFrom(zone, { ...question, name: target });
  return rest === undefined ? only : { ...rest, answers: [alias, ...rest.answers] };
}

function pointerAnswer(zone: Zone, question: Question, names: readonly string[]): ZoneAnswer {
  const asked = question.type === type.PTR || question.type === type.ANY;
  const records = names.map((data): NameRecord => ({ type: 'PTR', owner: question.name, ttl: TTL_S, data }));
  return orNothing(zone, question, asked ? records : [], true);
}

/** The cluster's domain itself, what stands between it and its hosts, and what is not there at all. */
function apexAnswer(zone: Zone, { name, type: asked }: Question): ZoneAnswer {
  const { domain, index } = zone;
  const wants = (kind: number): boolean => asked === kind || asked === type.ANY;
  const answers: NameRecord[] = [];
  if (name === domain) {
    if (wants(type.SOA)) answers.push(soaRecord(zone, domain));
    if (wants(type.NS)) answers.push({ type: 'NS', owner: name, ttl: TTL_S, data: `ns.dns.${domain}` });
  } else if (name === `dns-version.${domain}`) {
    if (wants(type.TXT)) answers.push({ type: 'TXT', owner: name, ttl: TTL_S, data: SCHEMA_VERSION });
  } else if (![`dns.${domain}`, `ns.dns.${domain}`].includes(name) && !index.branches.has(name)) {
    return noName(zone);
  }
  if (answers.length === 0) return nothing(zone);
  return { code: code.noError, answers, authorities: [], additionals: [] };
}

/** @param isOutside the name is in no zone of ours but its own. */
function orNothing(
  zone: Zone,
  { name }: Question,
  answers: readonly NameRecord[],
  isOutside = false,
): ZoneAnswer {
  if (answers.length > 0) return { code: code.noError, answers, authorities: [], additionals: [] };
  return nothing(zone, isOutside ? name : zone.domain);
}

/** Also of a headless service none of whose pods is ready (Kubernetes' specification, 2.4.1 and 2.4.2). */
function noName(zone: Zone): ZoneAnswer {
  return { ...nothing(zone), code: code.noName };
}

/** The name is there, and has nothing of that type (RFC 2308 §2.2). */
function nothing(zone: Zone, owner: string = zone.domain): ZoneAnswer {
  return { code: code.noError, answers: [], authorities: [soaRecord(zone, owner)], additionals: [] };
}

/** CoreDNS' figures; how long it may be remembered that something is not there is the last one. */
function soaRecord({ domain, serial }: Zone, owner: string): NameRecord {
  return {
    type: 'SOA',
    owner,
    ttl: TTL_S,
    data: {
      mname: `ns.dns.${domain}`,
      rname: `hostmaster.${domain}`,
      serial,
      refresh: 7200,
      retry: 1800,
      expire: 86_400,
      minimum: TTL_S,
    },
  };
}
