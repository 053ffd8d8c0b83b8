/** Rules in a host's own network namespace, beside those of others, by one tool. */
import { HostIptables } from './host-iptables.ts';
import { nftScript } from './nft-script.ts';
import type { PacketFilter } from './packet-filter.ts';
import type { Ruleset } from './packet-rules.ts';
import { complaintOf, type RunResult, run } from './run.ts';
import { isSenderKey, type SenderKey } from './sender.ts';

export interface HostRules {
  readonly kind: PacketFilter['kind'];
  /** Takes the place of what was there for that sender. @throws with what the tool says; then nothing is changed */
  install(key: SenderKey, rules: Ruleset): Promise<void>;
  /** @throws with what the tool says */
  remove(key: SenderKey): Promise<void>;
  /** As the kernel has them, as text; undefined where there are none. @throws where the tool does not work */
  list(key: SenderKey): Promise<string | undefined>;
  /** Of all that there are rules for. @throws where the tool does not work */
  keys(): Promise<readonly SenderKey[]>;
}

export function hostRules(filter: PacketFilter): HostRules {
  return filter.kind === 'nft' ? new HostNft(filter.nft) : new HostIptables(filter);
}

const PREFIX = 'heddle_';

/** A table for each sender. */
class HostNft implements HostRules {
  readonly kind = 'nft';
  readonly #program: string;

  constructor(program: string) {
    this.#program = program;
  }

  async install(key: SenderKey, rules: Ruleset): Promise<void> {
    const loaded = await run([this.#program, '-f', '-'], { input: nftScript(rules, PREFIX + key) });
    if (loaded.code !== 0) throw new Error(complaintOf(loaded));
  }

  async remove(key: SenderKey): Promise<void> {
    if (!(await this.keys()).includes(key)) return;
    await this.#nft(['delete', 'table', 'inet', PREFIX + key]);
  }

  async list(key: SenderKey): Promise<string | undefined> {
    if (!(await this.keys()).includes(key)) return undefined;
    return (await this.#nft(['list', 'table', 'inet', PREFIX + key])).stdout;
  }

  async keys(): Promise<readonly SenderKey[]> {
    const { stdout } = await this.#nft(['list', 'tables']);
    return [...stdout.matchAll(/^table inet heddle_(\S+)$/gm)].map(([, key]) => key!).filter(isSenderKey);
  }

  async #nft(words: readonly string[]): Promise<RunResult> {
    const result = await run([this.#program, ...words]);
    if (result.code !== 0) throw new Error(complaintOf(result));
    return result;
  }
}
