/**
 * Workloads that register themselves: a WorkloadEntry for each, there from its first stream until a while after its
 * last. Of a burst of changes the mesh is told once.
 *
 * connected -> (last stream ends) -> waiting -> (grace is over) gone; waiting -> (a stream) -> connected
 */
import type { Registration } from '#api/contract.ts';
import type { Clock } from '#core/clock.ts';
import { formatProblem } from '#core/problem.ts';
import { keyOf, type Resource } from '#model/kinds.ts';
import type { Service } from '#model/service.ts';
import { healthChecksAnnotation, type WorkloadEntry } from '#model/workload-entry.ts';
import type { Logger } from '#observe/log.ts';
import type { Caller } from '../serve/caller.ts';
import type { ResourceIndex } from '../store/resource-index.ts';
import type { ProxyNode } from '../translate/node.ts';
import { registeredName } from '../translate/node-registration.ts';
import {
  annotated,
  connectedAnnotation,
  controllerAnnotation,
  decodeEntry,
  decodeService,
  disconnectedAnnotation,
  type EntryDocument,
  madeService,
  registrationOf,
  withHealth,
} from './entry-document.ts';
import type { EntryFiles } from './entry-files.ts';
import { addressWarning, type Candidate, judge, type Refusal, writtenService } from './verdict.ts';

export interface RegistrarDeps {
  readonly files: Pick<EntryFiles, 'keep' | 'forget' | 'pathOf'>;
  /** As it is now. */
  mesh(): ResourceIndex;
  /** Takes over all that is registered now. */
  publish(resources: readonly Resource[]): void;
  /** Of this control plane. */
  readonly name: string;
  readonly graceMs: number;
  readonly clock: Clock;
  readonly log: Logger;
}

/** A stream of a workload, as far as its registration goes; any object that is the same at its end. */
export interface RegisteringStream {
  readonly node: ProxyNode;
  /** Undefined on the plaintext port. */
  readonly caller: Caller | undefined;
  /** `ADDRESS:PORT`. */
  readonly peer: string;
}

export type Admission =
  /** `published`: when the mesh knows of it; undefined: it registers nothing. */
  { readonly ok: true; readonly published?: Promise<void> } | Refusal;

interface Member {
  document: EntryDocument;
  entry: WorkloadEntry;
  readonly streams: Map<RegisteringStream, MemberStream>;
  cancelRemoval: (() => void) | undefined;
}

interface MemberStream extends Candidate {
  /** What was said over it; undefined: nothing yet. */
  health?: { readonly failure: string | undefined };
}

/** Changes within this time are one. */
const BURST_MS = 20;
/** Clients wait up to half a minute before they come back to a control plane that was away. */
const RESTART_GRACE_MS = 60_000;

export class Registrar {
  readonly #deps: RegistrarDeps;
  /** By `NAMESPACE/NAME` of the entry. */
  readonly #members = new Map<string, Member>();
  #published: PromiseWithResolvers<void> | undefined;
  /** Services that nobody wrote, as the mesh knows them. */
  #made: readonly Service[] = [];
  /** Entries that the mesh has from here. */
  readonly #own = new WeakSet<WorkloadEntry>();
  #closed = false;

  /** @param kept entries of a control plane before this one, all of them good */
  constructor(deps: RegistrarDeps, kept: readonly EntryDocument[]) {
    this.#deps = deps;
    for (const document of kept) this.#resume(document);
    this.#publish();
  }

  /** A stream of a node that is who it says. */
  connect(stream: RegisteringStream): Admission {
    const { node, caller, peer } = stream;
    const name = registeredName(node);
    if (name === undefined) return { ok: true };
    if (caller === undefined) {
      const reason = 'a workload is registered over the TLS port, where it proves who it is';
      return { ok: false, code: 'denied', reason };
    }
    const key = `${node.namespace}/${name}`;
    const known = this.#members.get(key);
    const refusal = this.#whyTaken(key, name, node, caller);
    if (refusal !== undefined) return { ok: false, code: 'unfit', reason: refusal };
    const candidate = { node, caller };
    const verdict = judge(name, candidate, this.#deps.mesh(), this.#documentsBut(known));
    if (!verdict.ok) return verdict;
    const now = this.#now();
    const document = annotated(keepHealth(verdict.document, known?.document), {
      [controllerAnnotation]: this.#deps.name,
      [connectedAnnotation]:
        (known !== undefined && known.streams.size > 0
          ? known.document.metadata.annotations[connectedAnnotation]
          : undefined) ?? now,
    });
    const decoded = decodeEntry(document, this.#deps.files.pathOf(document));
    if (!decoded.ok)
      return { ok: false, code: 'unfit', reason: decoded.problems.map(formatProblem).join('; ') };
    const member: Member = known ?? {
      document,
      entry: decoded.value,
      streams: new Map(),
      cancelRemoval: undefined,
    };
    member.cancelRemoval?.();
    member.cancelRemoval = undefined;
    member.streams.set(stream, candidate);
    this.#members.set(key, member);
    if (known === undefined || !same(known.document, document)) this.#take(member, document, decoded.value);
    const warning = addressWarning(node, peer);
    this.#deps.log.info('register.connected', {
      entry: key,
      identity: caller.id.uri,
      ...(warning && { warning }),
    });
    return { ok: true, published: this.#published?.promise ?? Promise.resolve() };
  }

  /** It ended. Does nothing for one that registered nothing. */
  disconnect(stream: RegisteringStream): void {
    if (this.#closed) return;
    const member = this.#memberOf(stream);
    if (member === undefined) return;
    member.streams.delete(stream);
    if (member.streams.size > 0) return;
    this.#change(member, annotated(member.document, { [disconnectedAnnotation]: this.#now() }));
    this.#removeIn(this.#deps.graceMs, member);
  }

  /** What the node says of its application. @param failure undefined: it is healthy */
  report(stream: RegisteringStream, failure: string | undefined): void {
    const member = this.#memberOf(stream);
    if (member === undefined) {
      this.#deps.log.debug('register.health-of-nobody', { node: stream.node.id });
      return;
    }
    member.streams.get(stream)!.health = { failure };
    // One for the proxy, one for the probe: who says that it is not well is believed.
    const failing = [...member.streams.values()].find(({ health }) => health?.failure !== undefined);
    const worst = failing?.health?.failure;
    const document = withHealth(member.document, worst, this.#now());
    if (same(member.document, document)) return;
    const entry = keyText(member.document);
    if (worst === undefined) this.#deps.log.info('register.healthy', { entry });
    else this.#deps.log.warn('register.unhealthy', { entry, reason: worst });
    this.#change(member, document);
  }

  viewOf(stream: RegisteringStream): Registration | undefined {
    const member = this.#memberOf(stream);
    if (member === undefined) return undefined;
    const warning = addressWarning(stream.node, stream.peer);
    return { entry: keyText(member.document), ...(warning !== undefined && { warning }) };
  }

  /**
   * The mesh has changed: groups and services say what entries are like.
   * @param keys of what has, `Kind namespace/name`
   */
  refresh(keys: readonly string[]): void {
    if (this.#closed || !keys.some((key) => /^(Service|WorkloadGroup) /.test(key))) return;
    for (const [key, member] of this.#members) {
      const candidate = [...member.streams.values()].at(-1);
      if (candidate === undefined) continue;
      const name = key.slice(key.indexOf('/') + 1);
      const verdict = judge(name, candidate, this.#deps.mesh(), this.#documentsBut(member));
      if (!verdict.ok) {
        this.#deps.log.warn('register.unfit', { entry: key, reason: verdict.reason });
        continue;
      }
      const { annotations } = member.document.metadata;
      const document = annotated(keepHealth(verdict.document, member.document), {
        [controllerAnnotation]: annotations[controllerAnnotation],
        [connectedAnnotation]: annotations[connectedAnnotation],
      });
      if (!same(document, member.document)) this.#change(member, document);
    }
    if (!this.#madeAre(this.#madeNow())) this.#changed();
  }

  /** Entries stay as they are, for the next control plane. */
  close(): void {
    this.#closed = true;
    for (const { cancelRemoval } of this.#members.values()) cancelRemoval?.();
  }

  #resume(written: EntryDocument): void {
    const nowMs = this.#deps.clock.wallMs();
    const { [disconnectedAnnotation]: since } = written.metadata.annotations;
    // Nobody is connected to a control plane that has just started.
    const document = annotated(written, { [disconnectedAnnotation]: since ?? this.#now() });
    const decoded = decodeEntry(document, this.#deps.files.pathOf(document));
    if (!decoded.ok) throw new Error(decoded.problems.map(formatProblem).join('; '));
    const member: Member = { document, entry: decoded.value, streams: new Map(), cancelRemoval: undefined };
    this.#members.set(keyText(document), member);
    this.#deps.files.keep(document);
    const waitedMs = since === undefined ? 0 : Math.max(0, nowMs - Date.parse(since));
    this.#removeIn(Math.max(this.#deps.graceMs, RESTART_GRACE_MS - waitedMs), member);
  }

  #removeIn(delayMs: number, member: Member): void {
    member.cancelRemoval = this.#deps.clock.after(delayMs, () => {
      const key = keyText(member.document);
      this.#members.delete(key);
      this.#deps.files.forget(member.document);
      this.#deps.log.info('register.gone', { entry: key });
      this.#changed();
    });
  }

  /** Why nobody else may have the entry of this name; undefined: it is free, or his. */
  #whyTaken(key: string, name: string, node: ProxyNode, caller: Caller): string | undefined {
    const known = this.#members.get(key);
    if (known === undefined) {
      const written = this.#deps.mesh().entry(node.namespace, name);
      // One of ours that is about to go is nobody's.
      if (written === undefined || this.#own.has(written)) return undefined;
      return `there is a WorkloadEntry ${key} in ${written.origin.file}: choose another name`;
    }
    const other = [...known.streams.values()].find((one) => one.caller.id.uri !== caller.id.uri);
    return other && `${key} is registered by ${other.caller.id.uri}: choose another name`;
  }

  *#documentsBut(member: Member | undefined): Generator<EntryDocument> {
    for (const one of this.#members.values()) if (one !== member) yield one.document;
  }

  #memberOf(stream: RegisteringStream): Member | undefined {
    const name = registeredName(stream.node);
    const member = name === undefined ? undefined : this.#members.get(`${stream.node.namespace}/${name}`);
    return member?.streams.has(stream) === true ? member : undefined;
  }

  #change(member: Member, document: EntryDocument): void {
    const decoded = decodeEntry(document, this.#deps.files.pathOf(document));
    if (!decoded.ok) throw new Error(decoded.problems.map(formatProblem).join('; '));
    this.#take(member, document, decoded.value);
  }

  #take(member: Member, document: EntryDocument, entry: WorkloadEntry): void {
    member.document = document;
    member.entry = entry;
    this.#deps.files.keep(document);
    this.#changed();
  }

  #changed(): void {
    if (this.#published !== undefined) return;
    this.#published = Promise.withResolvers();
    this.#deps.clock.after(BURST_MS, () => this.#publish());
  }

  #publish(): void {
    if (this.#closed) return;
    const waiting = this.#published;
    this.#published = undefined;
    this.#made = this.#madeNow();
    const entries = [...this.#members.values()].map(({ entry }) => entry);
    for (const entry of entries) this.#own.add(entry);
    this.#deps.publish([...this.#made, ...entries]);
    waiting?.resolve();
  }

  /** Services that nobody wrote and somebody is registered for. */
  #madeNow(): readonly Service[] {
    const made = new Map<string, Service>();
    const inOrder = [...this.#members].sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [, { document, entry }] of inOrder) {
      const registration = registrationOf(document);
      const { namespace } = document.metadata;
      if (registration === undefined) continue;
      const key = `${namespace}/${registration.service}`;
      if (made.has(key) || writtenService(namespace, registration.service, this.#deps.mesh())) continue;
      made.set(key, decodeService(madeService(namespace, registration), entry.origin.file));
    }
    return [...made.values()];
  }

  #madeAre(services: readonly Service[]): boolean {
    const text = (of: readonly Service[]): string => of.map(keyOf).join();
    return text(services) === text(this.#made);
  }

  #now(): string {
    return new Date(this.#deps.clock.wallMs()).toISOString();
  }
}

function keyText({ metadata }: EntryDocument): string {
  return `${metadata.namespace}/${metadata.name}`;
}

/** A node that comes back, or whose group was edited, is as healthy as it was. */
function keepHealth(document: EntryDocument, before: EntryDocument | undefined): EntryDocument {
  if (before === undefined || before.status.conditions.length === 0) return document;
  return { ...annotated(document, { [healthChecksAnnotation]: 'true' }), status: before.status };
}

function same(a: EntryDocument, b: EntryDocument): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}
