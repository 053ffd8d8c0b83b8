/** What was done to a host to capture connections, written down before it is done: a file for each sender. */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostCapture } from './host-capture.ts';
import type { PacketFilter } from './packet-filter.ts';
import { isSenderKey, keyOf, type SenderKey } from './sender.ts';

/** What the journal holds of one sender. */
export interface Installed {
  readonly capture: HostCapture;
  /** ISO 8601. */
  readonly at: string;
  /** That has made the rules. */
  readonly by: PacketFilter['kind'];
  /** What {@link bootId} was. Rules do not outlast a restart of the host. */
  readonly boot?: string;
  /** Of the cgroup that was meant. One that is made anew at the same path has another. */
  readonly cgroupId?: string;
  /** As the kernel lists them; absent: it was begun, and nobody knows how far it got. */
  readonly rules?: string;
}

/** Of the time since the host was started last. */
export function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/** Whether its rules can be in the kernel. */
export function isOfThisBoot({ boot }: Installed): boolean {
  return boot === undefined || boot === bootId();
}

export class CaptureJournal {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
  }

  all(): Installed[] {
    let names: string[];
    try {
      names = readdirSync(this.#folder);
    } catch {
      return [];
    }
    return names.flatMap((name) => {
      const key = /^(.*)\.json$/.exec(name)?.[1]?.replace('-', '_');
      return (key !== undefined && isSenderKey(key) ? this.read(key) : undefined) ?? [];
    });
  }

  /** @throws where it cannot be understood: then nobody knows what was done */
  read(key: SenderKey): Installed | undefined {
    const file = this.#file(key);
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
    try {
      // Earlier ones do not name the tool: there was one.
      return { by: 'nft', ...(JSON.parse(text) as Omit<Installed, 'by'>) };
    } catch (error) {
      throw new Error(`${file} is no journal: ${(error as Error).message}`);
    }
  }

  write(installed: Installed): void {
    mkdirSync(this.#folder, { recursive: true, mode: 0o755 });
    const file = this.#file(keyOf(installed.capture));
    writeFileSync(`${file}.new`, `${JSON.stringify(installed, undefined, 2)}\n`);
    renameSync(`${file}.new`, file);
  }

  forget(key: SenderKey): void {
    rmSync(this.#file(key), { force: true });
  }

  #file(key: SenderKey): string {
    return join(this.#folder, `${key.replace('_', '-')}.json`);
  }
}
