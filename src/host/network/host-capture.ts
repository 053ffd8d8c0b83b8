/**
 * Capture for one user of a host or one cgroup, by root: rules in the host's own network namespace, of its own for each,
 * and a journal of what was done. What is taken away is looked for again, so that nothing is left.
 */
import { bootId, CaptureJournal, type Installed, isOfThisBoot } from './capture-journal.ts';
import { type CaptureRules, captureRules, sourceOfInbound } from './capture-rules.ts';
import { type Cgroup, whyStale } from './cgroup.ts';
import { type HostRules, hostRules } from './host-rules.ts';
import { firstWorking, type PacketFilter, tryRules } from './packet-filter.ts';
import { run } from './run.ts';
import { keyOf, type Sender, type SenderKey } from './sender.ts';

/** Paths of programs, and what the kernel can be told rules by, in the order in which they are tried. */
export interface HostTools {
  readonly ip: string;
  readonly unshare: string;
  readonly filters: readonly PacketFilter[];
}

export type HostCapture = Omit<CaptureRules, 'mode' | 'hub' | 'uid' | 'cgroup'> & Sender;

/**
 * `foreign`: there are rules, but none that the journal knows of. `stale`: they are there, and nobody is meant by them any
 * more. `unknown`: what has made them is not there any more.
 */
export type CaptureState = 'in force' | 'changed' | 'gone' | 'unfinished' | 'foreign' | 'stale' | 'unknown';

export interface CaptureStatus {
  readonly key: SenderKey;
  readonly state: CaptureState;
  /** Why it is not in force, and what to do, where more is to be said. */
  readonly reason?: string;
  readonly by?: PacketFilter['kind'];
  readonly installed?: Installed;
}

/** From here a sidecar calls its application over IPv6: an address that hosts do not have. */
const SOURCE_V6 = `${sourceOfInbound[6]}/128`;

export class HostCaptures {
  readonly #tools: HostTools;
  readonly #rules: readonly HostRules[];
  readonly #journal: CaptureJournal;

  /** @param folder of the journal */
  constructor(tools: HostTools, folder: string) {
    this.#tools = tools;
    this.#rules = tools.filters.map(hostRules);
    this.#journal = new CaptureJournal(folder);
  }

  /**
   * Takes the place of what was there for that sender, by the first tool that can.
   *
   * @param cgroup that is meant, where it is one
   * @returns the tool
   * @throws with what the system says; then nothing is changed
   */
  async install(capture: HostCapture, cgroup?: Cgroup): Promise<PacketFilter['kind']> {
    const key = keyOf(capture);
    const before = this.#journal.read(key);
    const rules = captureRules({ ...capture, mode: 'REDIRECT' });
    const unshare = [this.#tools.unshare, '--net', '--'];
    const chosen = await firstWorking(
      this.#tools.filters,
      async (filter) => cgroup?.hiddenFrom(filter.kind) ?? (await tryRules(unshare, filter, rules)),
    );
    if (!chosen.ok) throw new Error(chosen.reason);
    const by = chosen.filter.kind;
    if (before !== undefined && before.by !== by) await this.#checkAnswers(before);
    const begun: Installed = {
      capture,
      at: new Date().toISOString(),
      by,
      boot: bootId(),
      ...(cgroup !== undefined && { cgroupId: cgroup.id }),
    };
    this.#journal.write(begun);
    const own = this.#rules.find(({ kind }) => kind === by)!;
    try {
      await own.install(key, rules);
    } catch (error) {
      if (before === undefined) this.#journal.forget(key);
      else this.#journal.write(before);
      throw error;
    }
    await this.#addSource();
    await this.#removeOthers(key, by);
    const listed = await own.list(key);
    if (listed === undefined) throw new Error(`the kernel has taken the rules, and ${by} does not list them`);
    this.#journal.write({ ...begun, rules: listed });
    return by;
  }

  /** @returns what is left all the same, in words; empty where nothing is */
  async uninstall(sender: Sender): Promise<readonly string[]> {
    const key = keyOf(sender);
    const installed = this.#journal.read(key);
    const others = this.#journal.all().some(({ capture }) => keyOf(capture) !== key);
    const left: string[] = [];
    const mayBeThere = installed !== undefined && isOfThisBoot(installed);
    if (mayBeThere && !this.#rules.some(({ kind }) => kind === installed.by)) {
      left.push(`nobody knows: ${missing(installed.by)}`);
    }
    const silent: string[] = [];
    for (const rules of this.#rules) {
      try {
        await rules.remove(key);
        if ((await rules.list(key)) !== undefined) left.push(`rules of ${rules.kind} for ${key}`);
      } catch (error) {
        const why = `nobody knows: ${rules.kind}: ${(error as Error).message}`;
        if (mayBeThere && rules.kind === installed.by) left.push(why);
        else silent.push(why);
      }
    }
    // What a kernel does not answer by, it was told nothing by either; but one has to answer.
    if (silent.length === this.#rules.length) left.push(...silent);
    if (!others) {
      await run([this.#tools.ip, '-6', 'address', 'delete', SOURCE_V6, 'dev', 'lo']);
      if (await this.#hasSource()) left.push(`the address ${SOURCE_V6} of lo`);
    }
    if (left.length === 0) this.#journal.forget(key);
    return left;
  }

  /** Of all that the journal or the kernel knows of, by key. */
  async status(): Promise<readonly CaptureStatus[]> {
    const known = this.#journal.all();
    const states = await Promise.all(known.map((installed) => this.#statusOf(installed)));
    const foreign: CaptureStatus[] = [];
    const silent: unknown[] = [];
    for (const rules of this.#rules) {
      const keys = await rules.keys().catch((error: unknown) => {
        silent.push(error);
        return [];
      });
      for (const key of keys) {
        if (known.some(({ capture, by }) => keyOf(capture) === key && by === rules.kind)) continue;
        const named = key.startsWith('uid_')
          ? `--uid ${key.slice('uid_'.length)}`
          : '--cgroup PATH, with the path that is in them';
        const reason = `nobody has written them down; to have them taken away: heddle capture uninstall ${named}`;
        foreign.push({ key, state: 'foreign', by: rules.kind, reason });
      }
    }
    if (silent.length === this.#rules.length) throw silent[0];
    return [...states, ...foreign].sort((a, b) => a.key.localeCompare(b.key, 'en', { numeric: true }));
  }

  async #statusOf(installed: Installed): Promise<CaptureStatus> {
    const { capture, by, cgroupId } = installed;
    const status = { key: keyOf(capture), by, installed };
    const own = this.#rules.find(({ kind }) => kind === by);
    if (own === undefined && !isOfThisBoot(installed)) return { ...status, state: 'gone' };
    if (own === undefined) return { ...status, state: 'unknown', reason: missing(by) };
    let now: string | undefined;
    try {
      now = await own.list(status.key);
    } catch (error) {
      return { ...status, state: 'unknown', reason: `${by}: ${(error as Error).message}` };
    }
    if (now !== undefined && 'cgroup' in capture && cgroupId !== undefined) {
      const reason = whyStale(capture.cgroup.path, cgroupId);
      if (reason !== undefined) return { ...status, state: 'stale', reason };
    }
    return { ...status, state: stateOf(installed.rules, now) };
  }

  /** @throws where a tool that has rules in the kernel could not take them away */
  async #checkAnswers(before: Installed): Promise<void> {
    if (!isOfThisBoot(before)) return;
    const rules = this.#rules.find(({ kind }) => kind === before.by);
    if (rules === undefined) throw new Error(missing(before.by));
    await rules.keys().catch((error: unknown) => {
      throw new Error(`its rules are of ${before.by}, which does not work now: ${(error as Error).message}`);
    });
  }

  /** Two tools would tell the kernel the same, and only one of them something else afterwards. */
  async #removeOthers(key: SenderKey, by: PacketFilter['kind']): Promise<void> {
    for (const rules of this.#rules) {
      // What does not answer has none: that was looked at before.
      if (rules.kind !== by) await rules.remove(key).catch(() => {});
    }
  }

  /** A kernel without IPv6 needs none. */
  async #addSource(): Promise<void> {
    if (await this.#hasSource()) return;
    await run([this.#tools.ip, '-6', 'address', 'add', SOURCE_V6, 'dev', 'lo', 'nodad']);
  }

  async #hasSource(): Promise<boolean> {
    const { stdout } = await run([this.#tools.ip, '-6', '-o', 'address', 'show', 'dev', 'lo']);
    return stdout.includes(` ${SOURCE_V6} `);
  }
}

function missing(by: PacketFilter['kind']): string {
  const name = by === 'nft' ? 'nftables' : 'iptables';
  return `its rules are of ${by}, which is not there any more: install ${name}`;
}

function stateOf(installed: string | undefined, now: string | undefined): CaptureState {
  if (now === undefined) return 'gone';
  if (installed === undefined) return 'unfinished';
  return installed === now ? 'in force' : 'changed';
}
