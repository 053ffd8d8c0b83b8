/**
 * Capture for one user of a host, by root: rules in the host's own network namespace, a table of its own for each user,
 * and a journal of what was done. What is taken away is looked for again, so that nothing is left.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type CaptureRules, captureRules, sourceOfInbound } from './capture-rules.ts';
import { nftScript } from './nft-script.ts';
import { complaintOf, type RunResult, run } from './run.ts';

/** Paths of programs. */
export interface HostTools {
  readonly ip: string;
  readonly nft: string;
}

export interface HostCapture extends Omit<CaptureRules, 'mode' | 'hub'> {
  readonly uid: number;
}

/** What the journal holds of one user. */
export interface Installed {
  readonly capture: HostCapture;
  /** ISO 8601. */
  readonly at: string;
  /** As the kernel lists them; absent: it was begun, and nobody knows how far it got. */
  readonly rules?: string;
}

/** `foreign`: there are rules, but none that the journal knows of. */
export type CaptureState = 'in force' | 'changed' | 'gone' | 'unfinished' | 'foreign';

export interface CaptureStatus {
  readonly uid: number;
  readonly state: CaptureState;
  readonly installed?: Installed;
}

const PREFIX = 'heddle_uid_';
/** From here a sidecar calls its application over IPv6: an address that hosts do not have. */
const SOURCE_V6 = `${sourceOfInbound[6]}/128`;

export class HostCaptures {
  readonly #tools: HostTools;
  readonly #folder: string;

  /** @param folder of the journal */
  constructor(tools: HostTools, folder: string) {
    this.#tools = tools;
    this.#folder = folder;
  }

  /** Takes the place of what was there for that user, all at once. @throws with what the system says; then nothing is changed */
  async install(capture: HostCapture): Promise<void> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
    const before = this.#read(capture.uid);
    const begun: Installed = { capture, at: new Date().toISOString() };
    this.#write(begun);
    const table = tableOf(capture.uid);
    const loaded = await run([this.#tools.nft, '-f', '-'], {
      input: nftScript(captureRules({ ...capture, mode: 'REDIRECT' }), table),
    });
    if (loaded.code !== 0) {
      if (before === undefined) this.#forget(capture.uid);
      else this.#write(before);
      throw new Error(complaintOf(loaded));
    }
    await this.#addSource();
    const rules = await this.#rulesOf(table);
    if (rules === undefined)
      throw new Error(`the kernel has taken the rules, and does not list table inet ${table}`);
    this.#write({ ...begun, rules });
  }

  /** @returns what is left all the same, in words; empty where nothing is */
  async uninstall(uid: number): Promise<readonly string[]> {
    const table = tableOf(uid);
    await this.#nft(['delete', 'table', 'inet', table]);
    const others = this.#journal().some(({ capture }) => capture.uid !== uid);
    if (!others) await run([this.#tools.ip, '-6', 'address', 'delete', SOURCE_V6, 'dev', 'lo']);
    const left: string[] = [];
    const tables = await this.#nft(['list', 'tables']);
    if (tables.code !== 0) left.push(`nobody knows: ${complaintOf(tables)}`);
    if (tables.stdout.split('\n').includes(`table inet ${table}`)) left.push(`rules: table inet ${table}`);
    if (!others && (await this.#hasSource())) left.push(`the address ${SOURCE_V6} of lo`);
    if (left.length === 0) this.#forget(uid);
    return left;
  }

  /** Of all users that the journal or the kernel knows of, by number. */
  async status(): Promise<readonly CaptureStatus[]> {
    const known = this.#journal();
    const tables = await this.#nft(['list', 'tables']);
    if (tables.code !== 0) throw new Error(complaintOf(tables));
    const foreign = [...tables.stdout.matchAll(new RegExp(`^table inet ${PREFIX}(\\d+)$`, 'gm'))]
      .map(([, uid]) => Number(uid))
      .filter((uid) => !known.some(({ capture }) => capture.uid === uid))
      .map((uid): CaptureStatus => ({ uid, state: 'foreign' }));
    const states = known.map(async (installed): Promise<CaptureStatus> => {
      const { uid } = installed.capture;
      return { uid, state: stateOf(installed.rules, await this.#rulesOf(tableOf(uid))), installed };
    });
    return [...(await Promise.all(states)), ...foreign].sort((a, b) => a.uid - b.uid);
  }

  /** Undefined where there are none. */
  async #rulesOf(table: string): Promise<string | undefined> {
    const listed = await this.#nft(['list', 'table', 'inet', table]);
    return listed.code === 0 ? listed.stdout : undefined;
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

  #nft(words: readonly string[]): Promise<RunResult> {
    return run([this.#tools.nft, ...words]);
  }

  #journal(): Installed[] {
    let names: string[];
    try {
      names = readdirSync(this.#folder);
    } catch {
      return [];
    }
    return names.flatMap((name) => {
      const uid = /^uid-(\d+)\.json$/.exec(name)?.[1];
      return (uid === undefined ? undefined : this.#read(Number(uid))) ?? [];
    });
  }

  /** @throws where it cannot be understood: then nobody knows what was done */
  #read(uid: number): Installed | undefined {
    const file = this.#file(uid);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
    try {
      return JSON.parse(text) as Installed;
    } catch (error) {
      throw new Error(`${file} is no journal: ${(error as Error).message}`);
    }
  }

  #write(installed: Installed): void {
    const file = this.#file(installed.capture.uid);
    writeFileSync(`${file}.new`, `${JSON.stringify(installed, undefined, 2)}\n`);
    renameSync(`${file}.new`, file);
  }

  #forget(uid: number): void {
    rmSync(this.#file(uid), { force: true });
  }

  #file(uid: number): string {
    return join(this.#folder, `uid-${uid}.json`);
  }
}

const tableOf = (uid: number): string => `${PREFIX}${uid}`;

function stateOf(installed: string | undefined, now: string | undefined): CaptureState {
  if (now === undefined) return 'gone';
  if (installed === undefined) return 'unfinished';
  return installed === now ? 'in force' : 'changed';
}
