/**
 * One update of an xDS stream -> accepted resources and problems, a resource at a time, so that
 * traffic is served in between. Valid resources take effect beside refused ones.
 */
import type { Message } from '@bufbuild/protobuf';
import { formatProblem, type Problem } from '#core/problem.ts';
import { inSlices, type Steps, timeSlices } from '#core/time-slice.ts';
import type { AnyUpdate, ReceivedResource } from '#xds/client/contract.ts';
import type { Cluster } from '#xds/gen/envoy/config/cluster/v3/cluster_pb.js';
import type { TypedExtensionConfig } from '#xds/gen/envoy/config/core/v3/extension_pb.js';
import type { ClusterLoadAssignment } from '#xds/gen/envoy/config/endpoint/v3/endpoint_pb.js';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { RouteConfiguration } from '#xds/gen/envoy/config/route/v3/route_pb.js';
import type { Secret } from '#xds/gen/envoy/extensions/transport_sockets/tls/v3/secret_pb.js';
import type { Runtime } from '#xds/gen/envoy/service/runtime/v3/rtds_pb.js';
import type { NameTable } from '#xds/gen/istio/networking/nds/v1/nds_pb.js';
import { forgetUnpacked } from '#xds/registry.ts';
import { type ResourceKind, resourceTypes } from '#xds/resource-type.ts';
import { examine } from '#xds/unknown-fields.ts';
import type { SecretStore } from '../contract.ts';
import { heldText } from '../held-text.ts';
import { keyOf, type ResourceSource } from '../resource-source.ts';
import type { Configuration } from './configuration.ts';
import { isNamed } from './interest.ts';
import { receiveHosts } from './receive-hosts.ts';
import type { HeldResource } from './resource-table.ts';
import { type DataReader, secretMaterial } from './secret-material.ts';
import type { Outcome } from './stream.ts';
import { countAnswer, isCountedByName, isCountedByUser, type UpdateCounts } from './update-counts.ts';
import { duplicate, isGood, repeated, type UnknownFieldsDeps, unknownProblems } from './update-problems.ts';

export type { UnknownDynamicFields } from './update-problems.ts';

export interface ReceiverDeps extends UnknownFieldsDeps {
  readonly configuration: Configuration;
  readonly secrets: SecretStore;
  readonly reader: DataReader;
  readonly counts: UpdateCounts;
  /** Told of secrets of a server: the files they name may change. */
  readonly follow?: (key: string, secret: Secret) => void;
  /** Puts the names of DNS in force, and says what is wrong with them. */
  readonly adoptNames?: AdoptNames | undefined;
  /** Puts a layer of the runtime in force, and says what is wrong with it; undefined: it is gone. */
  readonly adoptRuntime?: AdoptRuntime | undefined;
}

/** @param key what the layer's resource is called in here */
export type AdoptRuntime = (key: string, layer: Runtime | undefined) => readonly Problem[];

export type AdoptNames = (table: NameTable) => Steps<readonly Problem[]>;

/** @param source where it came from */
export type Receive = (update: AnyUpdate, source: ResourceSource) => Promise<Outcome>;

export function createReceiver(deps: ReceiverDeps): Receive {
  return async (received, source) => {
    if (received.kind === 'virtualHost') {
      const outcome = await receiveHosts(deps, received, source);
      finish(deps, { ...received, source }, outcome.problems);
      await deps.configuration.settle();
      return outcome;
    }
    const update: Given = { ...received, source };
    const { service } = resourceTypes[update.kind];
    const problems: Problem[] = [];
    const applied: string[] = [];
    const names = update.changed.map(({ name }) => name);
    const twice = repeated(names);
    const breathe = timeSlices();
    let readable = isGood(update.problems);
    for (const resource of update.changed) {
      const { name } = resource;
      const isSame = isCountedByUser(update.kind) && isHeld(deps, update, resource);
      const found: Offered = twice.has(name)
        ? { problems: [duplicate], held: textOf(resource) }
        : await inSlices(offer(deps, update, resource), breathe);
      const good = isGood(found.problems);
      for (const problem of found.problems) problems.push({ ...problem, resource: `${service} ${name}` });
      const accepted = isSame ? 'same' : 'success';
      countAnswer(deps, update, name, good ? accepted : 'rejected');
      if (good) applied.push(name);
      else if (found.unreadable === true) readable = false;
      else refuse(deps, update, resource, found);
    }
    // What is missing beside something that cannot be read may be just that.
    if (readable) await inSlices(remove(deps, update), breathe);
    if (readable && isFullState(update)) {
      const listed = new Set([...names, ...update.lifetimes.keys()]);
      deps.configuration.table.forgetRefused(update.kind, listed);
    }
    tellUnavailable(deps, update);
    finish(deps, update, problems);
    await deps.configuration.settle();
    return { problems, applied };
  };
}

/** The state of the world, of a kind that comes whole. */
const isFullState = ({ kind, version }: AnyUpdate): boolean =>
  resourceTypes[kind].fullState && version !== '';

/** An update, and where it came from. */
type Given = AnyUpdate & { readonly source: ResourceSource };

/** What became of a resource. */
interface Offered {
  readonly problems: readonly Problem[];
  /** Its bytes do not decode. */
  readonly unreadable?: boolean;
  /** For whoever looks at what was refused. */
  readonly held: HeldResource | undefined;
}

function* offer(deps: ReceiverDeps, update: Given, resource: ReceivedResource): Steps<Offered> {
  yield;
  if (isKept(deps, update, resource)) return { problems: [], held: textOf(resource) };
  const decoded = yield* resource.decoded();
  if (!decoded.ok) {
    return { problems: [{ level: 'error', message: decoded.detail }], unreadable: true, held: undefined };
  }
  const { message } = decoded;
  yield;
  const problems = yield* offerMessage(deps, update, resource, message);
  return { problems, held: textOf(resource) ?? message };
}

/** Kinds whose resources do nothing when they come again as they are. */
const comesAgainAlike: ReadonlySet<ResourceKind> = new Set(['cluster', 'listener', 'route', 'extension']);

/** Whether it came again as it is: what is in force, or on its way there, stays with its connections (Envoy). */
function isKept(deps: ReceiverDeps, update: Given, resource: ReceivedResource): boolean {
  const { kind } = update;
  if (!comesAgainAlike.has(kind) || !isHeld(deps, update, resource)) return false;
  deps.configuration.table.forgetRefusal(kind, keyInTable(update, resource.name));
  return true;
}

/** Whether that is what is in force, or on its way there, byte by byte. */
function isHeld(
  { configuration: { table } }: ReceiverDeps,
  update: Given,
  { name, encoded }: ReceivedResource,
): boolean {
  if (encoded === undefined) return false;
  const entry = table.get(update.kind, keyInTable(update, name));
  const held = (entry?.warming ?? entry?.active)?.held;
  return typeof held === 'string' && held === heldText(encoded);
}

function textOf({ encoded }: ReceivedResource): HeldResource | undefined {
  return encoded && heldText(encoded);
}

function* offerMessage(
  deps: ReceiverDeps,
  update: Given,
  resource: ReceivedResource,
  message: Message,
): Steps<readonly Problem[]> {
  const { kind } = update;
  if (deps.configuration.table.get(kind, keyInTable(update, resource.name))?.origin === 'static') {
    return [{ level: 'error', message: 'a static resource has that name' }];
  }
  const { anys, unknown: fields } = yield* examine(resourceTypes[kind].schema, message);
  const unknown = unknownProblems(deps, kind, resource.name, fields);
  if (!isGood(unknown)) return unknown;
  const offered = yield* offerKnown(deps, update, resource, message);
  for (const any of anys) forgetUnpacked(any);
  return [...unknown, ...offered];
}

function* offerKnown(
  deps: ReceiverDeps,
  { kind, source }: Given,
  { name, version, encoded }: ReceivedResource,
  message: Message,
): Steps<readonly Problem[]> {
  const { configuration } = deps;
  const versioned = { version, origin: 'dynamic', encoded, key: keyInTable({ kind, source }, name) } as const;
  switch (kind) {
    case 'cluster':
      return yield* configuration.offerCluster({ ...versioned, message: message as Cluster });
    case 'endpoint':
      return yield* configuration.offerEndpoints({ ...versioned, message: message as ClusterLoadAssignment });
    case 'listener':
      return yield* configuration.offerListener({ ...versioned, message: message as Listener });
    case 'route':
      return yield* configuration.offerRoutes({ ...versioned, message: message as RouteConfiguration });
    case 'extension':
      return yield* configuration.offerExtension({ ...versioned, message: message as TypedExtensionConfig });
    case 'secret':
      return offerSecret(deps, versioned, message as Secret, source.kind !== 'file');
    case 'nameTable':
      return deps.adoptNames === undefined ? [] : yield* deps.adoptNames(message as NameTable);
    case 'runtime':
      return deps.adoptRuntime?.(versioned.key, message as Runtime) ?? [];
    case 'virtualHost':
    case 'workloadGroup':
      // Virtual hosts come by another way. Nobody here asks for it: probes are done beside the proxy.
      return [];
  }
}

function offerSecret(
  { secrets, configuration, reader, follow }: ReceiverDeps,
  { key, version }: { readonly key: string; readonly version: string },
  secret: Secret,
  isOfServer: boolean,
): readonly Problem[] {
  const parsed = secretMaterial(secret, reader);
  if (!parsed.ok) return parsed.problems;
  configuration.table.warm('secret', key, version, secret, 'dynamic');
  configuration.table.activate('secret', key);
  secrets.set(key, parsed.value);
  configuration.tookSecret(key);
  if (isOfServer) follow?.(key, secret);
  return parsed.problems;
}

function refuse(
  deps: ReceiverDeps,
  update: Given,
  { name, version }: ReceivedResource,
  { problems, held }: Offered,
): void {
  const details = problems
    .filter(({ level }) => level === 'error')
    .map(formatProblem)
    .join('\n');
  const { kind } = update;
  const { table } = deps.configuration;
  const key = keyInTable(update, name);
  // What names it does not wait for a better one (Envoy, `onConfigUpdateFailed`).
  if (kind === 'extension' || kind === 'route' || kind === 'endpoint') deps.configuration.giveUp(kind, key);
  if (table.get(kind, key)?.origin === 'static') return;
  table.refuse(kind, key, version, held, details);
}

/** Clusters and listeners have one source each. */
function keyInTable({ kind, source }: Pick<Given, 'kind' | 'source'>, name: string): string {
  return isNamed(kind) ? keyOf(name, source) : name;
}

function* remove(deps: ReceiverDeps, update: Given): Steps<void> {
  const { adoptRuntime, configuration, log } = deps;
  const { kind, removed, source } = update;
  for (const name of removed) {
    if (configuration.table.get(kind, name)?.origin === 'static') continue;
    // Endpoints, routes and secrets stay in force while something names them, as in Envoy, and configurations of
    // filters do not; and a cluster whose endpoints were never there does not wait for them.
    if (kind === 'cluster') yield* configuration.removeCluster(name);
    else if (kind === 'listener') void configuration.removeListener(name);
    else {
      if (kind === 'runtime') adoptRuntime?.(keyOf(name, source), undefined);
      if (isCountedByUser(kind)) countAnswer(deps, update, name, 'gone');
      if (kind === 'endpoint') configuration.giveUp(kind, keyOf(name, source));
      if (kind !== 'extension') continue;
      countAnswer(deps, update, name, 'success');
      configuration.removeExtension(keyOf(name, source));
    }
    log.info('apply.removed', { kind, name });
    yield;
  }
}

/** What the server says that it cannot give may come yet: it is waited for, and not counted (Envoy). */
function tellUnavailable({ log }: ReceiverDeps, { kind, unavailable }: Given): void {
  for (const { name, detail } of unavailable) {
    log.warn('xds.unavailable', { service: resourceTypes[kind].service, name, detail });
  }
}

function finish(deps: ReceiverDeps, update: Given, problems: readonly Problem[]): void {
  const { service } = resourceTypes[update.kind];
  const all = [...update.problems, ...problems];
  const refused = !isGood(all);
  const { kind } = update;
  if (!isCountedByName(kind))
    deps.counts.answered({ kind, name: '', by: '' }, refused ? 'rejected' : 'success');
  if (isFullState(update) && !refused) {
    deps.configuration.table.setSystemVersion(update.kind, update.version);
  }
  const counts = { service, changed: update.changed.length, removed: update.removed.length };
  if (!refused) {
    deps.log.debug('xds.accepted', counts);
    return;
  }
  const details = all.filter(({ level }) => level === 'error').map(formatProblem);
  deps.log.warn('xds.refused', { ...counts, problems: details });
}
