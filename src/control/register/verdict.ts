/** Who may register what. A node may be only what its certificate, or its join token, says that it is. */
import { didYouMean } from '#core/did-you-mean.ts';
import { parseIp } from '#core/ip-address.ts';
import { serviceAccountOfGroup } from '#model/workload-group.ts';
import type { Caller } from '../serve/caller.ts';
import type { MeshService } from '../store/mesh-service.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import { accountsBehind } from '../translate/identity.ts';
import type { ProxyNode } from '../translate/node.ts';
import type { ServiceRegistration } from '../translate/node-registration.ts';
import { type EntryDocument, groupEntry, isMade, registrationOf, serviceEntry } from './entry-document.ts';
import { whyUnfit } from './service-fit.ts';

/** A node with its proof. */
export interface Candidate {
  readonly node: ProxyNode;
  readonly caller: Caller;
}

export interface Refusal {
  readonly ok: false;
  /** `denied`: never with this identity. `unfit`: not as the mesh is now. */
  readonly code: 'denied' | 'unfit';
  readonly reason: string;
}

export type Verdict = { readonly ok: true; readonly document: EntryDocument } | Refusal;

/** @param others entries that are registered, but for the candidate's own */
export function judge(
  name: string,
  candidate: Candidate,
  mesh: ResourceIndex,
  others: Iterable<EntryDocument>,
): Verdict {
  const { node, caller } = candidate;
  if (caller.account.namespace !== node.namespace)
    return denied(`${caller.id.uri} may not register in the namespace ${node.namespace}`);
  if (mesh.pod(node.namespace, node.podName) !== undefined)
    return unfit(`there is a Pod ${node.namespace}/${node.podName}: choose another name`);
  const address = whyUnreachable(node);
  if (address !== undefined) return unfit(address);
  if (node.group !== undefined) return judgeMember(name, node.group, candidate, mesh);
  return judgeInstance(name, node.registration!, candidate, mesh, others);
}

function judgeMember(
  name: string,
  called: string,
  { node, caller }: Candidate,
  mesh: ResourceIndex,
): Verdict {
  const { namespace } = node;
  const group = mesh.group(namespace, called);
  if (group === undefined) {
    const names = mesh.groups.filter(({ metadata }) => metadata.namespace === namespace);
    const meant = didYouMean(
      called,
      names.map(({ metadata }) => metadata.name),
    );
    const fix = meant === undefined ? '' : ` (${meant})`;
    return unfit(`there is no WorkloadGroup ${namespace}/${called}${fix}`);
  }
  const account = serviceAccountOfGroup(group);
  if (account !== caller.account.serviceAccount) {
    const place = `the WorkloadGroup ${namespace}/${called}`;
    return denied(`${caller.id.uri} may not join ${place}, whose members run as ${account}`);
  }
  return { ok: true, document: groupEntry(name, group, node) };
}

function judgeInstance(
  name: string,
  registration: ServiceRegistration,
  { node, caller }: Candidate,
  mesh: ResourceIndex,
  others: Iterable<EntryDocument>,
): Verdict {
  const { namespace } = node;
  const service = writtenService(namespace, registration.service, mesh);
  const before = [...others].filter(
    (other) =>
      other.metadata.namespace === namespace && registrationOf(other)?.service === registration.service,
  );
  const reason =
    service === undefined ? whyOtherThan(before, namespace, registration) : whyUnfit(registration, service);
  if (reason !== undefined) return unfit(reason);
  const { serviceAccount } = caller.account;
  const accounts = new Set(before.map(({ spec }) => spec.serviceAccount ?? ''));
  if (service !== undefined) {
    for (const one of accountsBehind(mesh, service, (instance) => instance.name !== name)) accounts.add(one);
  }
  // Who is let in here, callers accept for the service.
  if (accounts.size > 0 && !accounts.has(serviceAccount)) {
    const called = `the Service ${namespace}/${registration.service}`;
    const known = [...accounts].sort().join(', ');
    return denied(`${caller.id.uri} may not be an instance of ${called}, whose instances run as ${known}`);
  }
  return { ok: true, document: serviceEntry(name, registration, node, serviceAccount, service) };
}

/** The Service that somebody wrote. */
export function writtenService(
  namespace: string,
  name: string,
  mesh: ResourceIndex,
): MeshService | undefined {
  const found = [...mesh.services.values()].find(
    ({ metadata, entry }) =>
      entry === undefined && metadata.name === name && metadata.namespace === namespace,
  );
  return found === undefined || isMade(found) ? undefined : found;
}

/** Nobody wrote the Service: who came first has said what its ports are. */
function whyOtherThan(
  before: readonly EntryDocument[],
  namespace: string,
  { service, ports }: ServiceRegistration,
): string | undefined {
  const shown = (of: ServiceRegistration['ports']): string =>
    of
      .map(({ name, number }) => `${name} (${number})`)
      .sort()
      .join(', ');
  for (const { said, first } of before.map((one) => ({
    said: registrationOf(one),
    first: one.metadata.name,
  }))) {
    if (said === undefined || shown(said.ports) === shown(ports)) continue;
    return `${first} has registered ${namespace}/${service} with the ports ${shown(said.ports)}, not ${shown(ports)}`;
  }
  return undefined;
}

/** Addresses that mean nobody, or everybody. */
function whyUnreachable({ addresses }: ProxyNode): string | undefined {
  const [address = ''] = addresses;
  const bytes = parseIp(address);
  if (bytes === undefined)
    return `${JSON.stringify(address)} is no address that others reach it at: say INSTANCE_IPS`;
  const [first = 0] = bytes;
  const nowhere = bytes.every((byte) => byte === 0);
  const multicast = bytes.length === 4 ? first >= 224 : first === 0xff;
  return nowhere || multicast ? `${address} is not the address of one host` : undefined;
}

/**
 * What is suspicious about the address that it wants to be reached at; undefined: nothing. Behind a NAT, or with
 * several networks, the two differ and all is well.
 *
 * @param peer `ADDRESS:PORT` of its stream
 */
export function addressWarning({ addresses }: ProxyNode, peer: string): string | undefined {
  const from = peer
    .slice(0, peer.lastIndexOf(':'))
    .replace(/^\[|\]$/g, '')
    .replace(/^::ffff:/, '');
  if (parseIp(from) === undefined || addresses.includes(from)) return undefined;
  const [address = ''] = addresses;
  return `it is registered at ${address} and comes from ${from}: where no NAT is between, others will not reach it`;
}

function denied(reason: string): Refusal {
  return { ok: false, code: 'denied', reason };
}

function unfit(reason: string): Refusal {
  return { ok: false, code: 'unfit', reason };
}
