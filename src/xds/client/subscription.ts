/** What a client wants and has of one kind, and the parts that both variants of the protocol share. */
import { create } from '@bufbuild/protobuf';
import type { Any, Duration } from '@bufbuild/protobuf/wkt';
import { formatProblem, type Problem } from '#core/problem.ts';
import type { Steps } from '#core/time-slice.ts';
import type { ResourceError } from '../gen/envoy/service/discovery/v3/discovery_pb.js';
import { type Status, StatusSchema } from '../gen/google/rpc/status_pb.js';
import { type ResourceKind, resourceTypes } from '../resource-type.ts';
import type { AnyUpdate, ReceivedResource, Update } from './contract.ts';
import { readReceived, readVirtualHost } from './received-resource.ts';

/** gRPC status code INVALID_ARGUMENT, as Envoy gives it in a NACK. */
const invalidArgument = 3;
const internal = 13;

/** Envoy cuts its own longer ones; the first problems tell enough. */
const maxNackCharacters = 4096;

export class Subscription {
  readonly kind: ResourceKind;
  wildcard = false;
  readonly names: Set<string> = new Set();
  /** Name -> version in force. */
  readonly held: Map<string, string> = new Map();
  /** State of the world only: version and nonce of the last response, as the next request repeats them. */
  versionInfo = '';
  nonce = '';

  constructor(kind: ResourceKind) {
    this.kind = kind;
  }

  /** Returns the names that are new; `*` is one. */
  add(names: readonly string[]): string[] {
    const fresh = names.filter((name) => (name === '*' ? !this.wildcard : !this.names.has(name)));
    for (const name of fresh) {
      if (name === '*') this.wildcard = true;
      else this.names.add(name);
    }
    return fresh;
  }

  /** Returns the names that were there; what was held of them is forgotten. */
  remove(names: readonly string[]): string[] {
    const gone = names.filter((name) => (name === '*' ? this.wildcard : this.names.has(name)));
    for (const name of gone) {
      if (name === '*') this.wildcard = false;
      else this.names.delete(name);
    }
    for (const name of [...this.held.keys()]) {
      if (!this.wildcard && !this.names.has(name)) this.held.delete(name);
    }
    return gone;
  }

  /** @param applied undefined for all of the update. */
  apply(update: AnyUpdate, applied?: readonly string[]): void {
    const inForce = applied === undefined ? undefined : new Set(applied);
    for (const { name, version } of update.changed) {
      if (inForce?.has(name) ?? true) this.held.set(name, version);
    }
    for (const name of update.removed) this.held.delete(name);
  }
}

/** A resource as it came; `version` is absent where the protocol has one for the whole response. */
export interface Incoming {
  readonly any: Any | undefined;
  readonly version: string;
  readonly name?: string;
  readonly aliases?: readonly string[];
  readonly ttl?: Duration | undefined;
}

/** Reads a resource at a time: what it is called. Its message is decoded when it is asked for. */
export function* updateFrom(
  kind: ResourceKind,
  incoming: readonly Incoming[],
  rest: Pick<Update, 'nonce' | 'version'> & {
    readonly errors: readonly ResourceError[];
    readonly removed: readonly string[];
    /** Whether a resource without a message is one that stays as it was. */
    isHeld(incoming: Incoming): boolean;
  },
): Steps<AnyUpdate> {
  const lifetimes = new Map<string, number | undefined>();
  const changed: ReceivedResource[] = [];
  const problems: Problem[] = [];
  const { service } = resourceTypes[kind];
  for (const [i, one] of incoming.entries()) {
    const { any, version, name } = one;
    if (kind === 'virtualHost' && name !== undefined) {
      const read = yield* readVirtualHost(name, version, any, one.aliases);
      if (read.ok) {
        changed.push(read.resource);
        lifetimes.set(name, milliseconds(one.ttl));
      } else problems.push({ level: 'error', message: read.detail, resource: `${service} ${name}` });
      continue;
    }
    if (any === undefined && name !== undefined && rest.isHeld(one)) {
      lifetimes.set(name, milliseconds(one.ttl));
      continue;
    }
    const read = yield* readReceived(kind, version, any);
    yield;
    const resource = `${service} ${name ?? `resource ${i}`}`;
    if (!read.ok) {
      problems.push({ level: 'error', message: read.detail, resource });
    } else if (name !== undefined && name !== read.resource.name) {
      const message = `the resource calls itself ${JSON.stringify(read.resource.name)}`;
      problems.push({ level: 'error', message, resource });
    } else {
      changed.push(read.resource);
      lifetimes.set(read.resource.name, milliseconds(one.ttl));
    }
  }
  const unavailable = rest.errors.map(({ resourceName, errorDetail }) => ({
    name: resourceName?.name ?? '',
    detail: errorDetail?.message ?? '',
  }));
  const { nonce, version, removed } = rest;
  return { kind, nonce, version, changed, removed, problems, lifetimes, unavailable } as AnyUpdate;
}

function milliseconds(ttl: Duration | undefined): number | undefined {
  return ttl && Number(ttl.seconds) * 1000 + ttl.nanos / 1e6;
}

/** That `names` are no longer good. */
export function expiryOf(kind: ResourceKind, names: readonly string[]): AnyUpdate {
  const nothing = { changed: [], problems: [], lifetimes: new Map(), unavailable: [] };
  return { kind, nonce: '', version: '', removed: names, ...nothing } as AnyUpdate;
}

/** The `error_detail` of a NACK: every problem on a line of its own. */
export function errorDetail(update: AnyUpdate, problems: readonly Problem[]): Status {
  const lines = [...update.problems, ...problems].map(formatProblem).join('\n');
  const message = lines.length > maxNackCharacters ? `${lines.slice(0, maxNackCharacters - 3)}...` : lines;
  return create(StatusSchema, { code: invalidArgument, message });
}

/** The `error_detail` of a report of health; undefined of a good one. */
export function healthDetail(failure: string | undefined): Status | undefined {
  return failure === undefined ? undefined : create(StatusSchema, { code: internal, message: failure });
}

/** A response with problems cannot be acknowledged: calling it so is a bug of the caller. */
export function assertAcceptable(update: AnyUpdate): void {
  if (update.problems.length > 0)
    throw new Error(`an update of kind ${update.kind} with problems was acknowledged`);
}
