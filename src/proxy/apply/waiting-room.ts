/**
 * Where accepted resources wait until they can be put in force, in the order that fails no request: clusters,
 * then tables of routes, then listeners (xDS protocol, "Resource warming").
 */
import type { Message } from '@bufbuild/protobuf';
import { timeSlices } from '#core/time-slice.ts';
import type { Logger } from '#observe/log.ts';
import type { Listener } from '#xds/gen/envoy/config/listener/v3/listener_pb.js';
import type { Dependencies, Prepared } from '../contract.ts';
import { textOfKey } from '../resource-source.ts';
import type { Versioned } from './configuration.ts';
import { heldOf, type ResourceTable } from './resource-table.ts';
import type { VirtualHosts } from './virtual-hosts.ts';

interface Waiting {
  readonly prepared: Prepared;
  /** A listener that hands its connections to others: before they are there they would go where they were made to. */
  readonly handsOver: boolean;
  /** Set when it has waited long enough. */
  late: boolean;
  /** Whether it gets ready by itself, and has. */
  warming: 'not-begun' | 'begun' | 'done';
  timer: NodeJS.Timeout | undefined;
}

export type InstalledKind = 'cluster' | 'route' | 'listener';

const kinds: readonly InstalledKind[] = ['cluster', 'route', 'listener'];

/** A listener whose port is still held by another tries again after this. */
const INSTALL_RETRY_MS = 1000;

export interface WaitingRoomDeps {
  readonly log: Logger;
  readonly table: ResourceTable;
  readonly hosts: VirtualHosts;
  /** Counted: an accepted resource could not be put in force. */
  readonly installFailed: () => void;
  /** Whether all is there that they name, or will not come. */
  isComplete(dependencies: Dependencies): boolean;
  /** How long one waits for what it names, in ms; 0: however long it takes. */
  patienceMs(dependencies: Dependencies): number;
  /** It is not waited for any more. @returns what is missing, to be told */
  giveUpOn(dependencies: Dependencies): readonly string[];
  onInstalled(kind: InstalledKind, name: string): void;
  /** Something was accepted, or nothing more can be installed now. */
  announce(): void;
}

export class WaitingRoom {
  readonly #deps: WaitingRoomDeps;
  readonly #waiting: Readonly<Record<InstalledKind, Map<string, Waiting>>> = {
    cluster: new Map(),
    route: new Map(),
    listener: new Map(),
  };
  readonly #installed: Readonly<Record<InstalledKind, Map<string, Dependencies>>> = {
    cluster: new Map(),
    route: new Map(),
    listener: new Map(),
  };
  #holdListeners = false;
  #settling: Promise<void> | undefined;
  #settleAgain = false;
  #closed = false;

  constructor(deps: WaitingRoomDeps) {
    this.#deps = deps;
  }

  /** While held, no listener is installed: before the first clusters are known. */
  holdListeners(held: boolean): void {
    this.#holdListeners = held;
    void this.settle();
  }

  isInstalled(kind: InstalledKind, name: string): boolean {
    return this.#installed[kind].has(name);
  }

  /** What is accepted and not in force, such as `listener 0.0.0.0_8080`. */
  warming(): string[] {
    return kinds.flatMap((kind) =>
      [...this.#waiting[kind].keys()].map((name) => `${kind} ${textOfKey(name)}`),
    );
  }

  /** What is named by what is in force or waits. */
  *needs(): Generator<Dependencies> {
    for (const kind of kinds) {
      yield* this.#installed[kind].values();
      for (const { prepared } of this.#waiting[kind].values()) yield prepared.dependencies;
    }
  }

  /** The same of one: what is in force, and what waits to be so. */
  needsOf(kind: InstalledKind, name: string): Dependencies[] {
    const all = [this.#installed[kind].get(name), this.#waiting[kind].get(name)?.prepared.dependencies];
    return all.filter((needs) => needs !== undefined);
  }

  /** Installs whatever can be installed now; resolves when nothing more can. */
  settle(): Promise<void> {
    this.#settleAgain = true;
    this.#settling ??= this.#settleAll().finally(() => {
      this.#settling = undefined;
      // Asked for between the end of the loop and here.
      if (this.#settleAgain && !this.#closed) void this.settle();
    });
    return this.#settling;
  }

  close(): void {
    this.#closed = true;
    for (const kind of kinds) {
      for (const { timer } of this.#waiting[kind].values()) clearTimeout(timer);
      this.#waiting[kind].clear();
    }
  }

  /** Neither in force nor waiting any more. */
  forget(kind: InstalledKind, name: string): void {
    this.#dismiss(kind, name);
    this.#waiting[kind].delete(name);
    this.#installed[kind].delete(name);
  }

  /** It waits, in the place of a version that does. */
  wait(kind: InstalledKind, prepared: Prepared, offer: Versioned<Message>): void {
    const { name } = prepared;
    this.#dismiss(kind, name);
    const handsOver = kind === 'listener' && (offer.message as Listener).useOriginalDst === true;
    const warming = prepared.warm === undefined ? 'done' : 'not-begun';
    const waiting: Waiting = { prepared, handsOver, late: false, warming, timer: undefined };
    const { log } = this.#deps;
    const waitMs = this.#deps.patienceMs(prepared.dependencies);
    // 0: however long it takes.
    if (waitMs > 0) {
      waiting.timer = setTimeout(() => {
        waiting.late = true;
        const missing = this.#deps.giveUpOn(prepared.dependencies);
        log.warn('apply.waited-in-vain', { kind, name, missing });
        void this.settle();
      }, waitMs).unref();
    }
    this.#waiting[kind].set(name, waiting);
    this.#deps.table.warm(kind, name, offer.version, heldOf(offer), offer.origin);
    this.#deps.announce();
  }

  async #settleAll(): Promise<void> {
    while (this.#settleAgain && !this.#closed) {
      this.#settleAgain = false;
      await this.#installReady('cluster', () => true);
      await this.#installReady('route', () => this.#clustersSettled());
      await this.#installReady('listener', (one) => this.#mayListen(one));
    }
    this.#deps.announce();
  }

  #mayListen({ handsOver }: Waiting): boolean {
    if (!this.#clustersSettled() || this.#holdListeners) return false;
    return !handsOver || [...this.#waiting.listener.values()].every((other) => other.handsOver);
  }

  #clustersSettled(): boolean {
    return this.#waiting.cluster.size === 0;
  }

  async #installReady(kind: InstalledKind, may: (waiting: Waiting) => boolean): Promise<void> {
    const breathe = timeSlices();
    for (const [name, waiting] of [...this.#waiting[kind]]) {
      const pause = breathe();
      if (pause !== undefined) await pause;
      const { dependencies } = waiting.prepared;
      const isReady = this.#isLate(waiting) || (may(waiting) && this.#deps.isComplete(dependencies));
      if (!isReady || this.#closed || this.#waiting[kind].get(name) !== waiting) continue;
      if (waiting.warming !== 'done') {
        if (waiting.warming === 'not-begun') this.#warm(kind, name, waiting);
        continue;
      }
      await this.#install(kind, name, waiting);
    }
  }

  /** A listener waits as long as routes that have come wait for their first virtual hosts (Envoy). */
  #isLate({ late, prepared: { dependencies } }: Waiting): boolean {
    return late && dependencies.routes.every(({ key }) => !this.#awaitsHosts(key));
  }

  #awaitsHosts(routesKey: string): boolean {
    const routes = this.#waiting.route.get(routesKey);
    const virtualHosts = routes?.prepared.dependencies.virtualHosts;
    return (
      routes?.late === false && virtualHosts !== undefined && !this.#deps.hosts.hasAnswered(virtualHosts)
    );
  }

  /** Others are installed meanwhile. */
  #warm(kind: InstalledKind, name: string, waiting: Waiting): void {
    waiting.warming = 'begun';
    clearTimeout(waiting.timer);
    const ready = (): void => {
      waiting.warming = 'done';
      waiting.late = true;
      void this.settle();
    };
    // What went wrong is found again when it is installed.
    waiting.prepared.warm!().then(ready, (error: unknown) => {
      this.#deps.log.warn('apply.not-warm', { kind, name, error });
      ready();
    });
  }

  /** A version that waits is not installed any more. */
  #dismiss(kind: InstalledKind, name: string): void {
    const waiting = this.#waiting[kind].get(name);
    clearTimeout(waiting?.timer);
    waiting?.prepared.abandon?.();
  }

  async #install(kind: InstalledKind, name: string, waiting: Waiting): Promise<void> {
    clearTimeout(waiting.timer);
    try {
      await waiting.prepared.install();
    } catch (error) {
      this.#installFailed(kind, name, waiting, error);
      return;
    }
    // A newer version may have come meanwhile: it stays in the waiting room.
    if (this.#waiting[kind].get(name) === waiting) {
      this.#waiting[kind].delete(name);
      this.#deps.table.activate(kind, name);
    }
    this.#installed[kind].set(name, waiting.prepared.dependencies);
    this.#settleAgain = true;
    this.#deps.onInstalled(kind, name);
    this.#deps.log.info('apply.installed', { kind, name: textOfKey(name) });
  }

  #installFailed(kind: InstalledKind, name: string, waiting: Waiting, error: unknown): void {
    this.#deps.installFailed();
    this.#deps.log.error('apply.not-installed', { kind, name, error });
    const entry = this.#deps.table.get(kind, name)?.warming;
    this.#deps.table.refuse(kind, name, entry?.version ?? '', entry?.held, String((error as Error).message));
    if (this.#waiting[kind].get(name) !== waiting) {
      waiting.prepared.abandon?.();
      return;
    }
    // Out of the room, so that what depends on it is not held up; back when it may work.
    this.#waiting[kind].delete(name);
    const timer = setTimeout(() => {
      const superseded = this.#waiting[kind].has(name) || this.#deps.table.get(kind, name)?.warming !== entry;
      if (this.#closed || superseded) {
        waiting.prepared.abandon?.();
        return;
      }
      this.#waiting[kind].set(name, { ...waiting, late: true });
      void this.settle();
    }, INSTALL_RETRY_MS);
    timer.unref();
  }
}
