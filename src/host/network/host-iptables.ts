/**
 * Rules of iptables in a host's own network namespace: chains of our own for each sender, to which the kernel's chains
 * lead before they ask rules of others.
 */
import type { HostRules } from './host-rules.ts';
import {
  chainLines,
  type Family,
  type IptablesPart,
  iptablesParts,
  jumpLine,
  tableText,
} from './iptables-text.ts';
import { type Iptables, ipFamilies } from './packet-filter.ts';
import type { Ruleset } from './packet-rules.ts';
import { complaintOf, run } from './run.ts';
import { isSenderKey, type SenderKey } from './sender.ts';

/** Seconds for whom else changes rules; the other variant needs none. */
const WAIT_S = '10';

/** A line of iptables-save(8), such as `-A OUTPUT -j HEDDLE_U1000_OUTBOUND`. */
interface SavedLine {
  readonly table: string;
  readonly text: string;
}

export class HostIptables implements HostRules {
  readonly #filter: Iptables;

  constructor(filter: Iptables) {
    this.#filter = filter;
  }

  get kind(): Iptables['kind'] {
    return this.#filter.kind;
  }

  async install(key: SenderKey, rules: Ruleset): Promise<void> {
    const texts = ipFamilies().map((family) => ({
      family,
      parts: iptablesParts(rules, family, prefixOf(key)),
    }));
    const done: { readonly family: Family; readonly before: readonly SavedLine[] }[] = [];
    try {
      for (const { family, parts } of texts) {
        const before = await this.#saved(family, key);
        await this.#restore(family, replacing(before, parts));
        done.push({ family, before });
      }
    } catch (error) {
      for (const { family, before } of done) await this.#putBack(family, key, before);
      throw error;
    }
  }

  async remove(key: SenderKey): Promise<void> {
    for (const family of ipFamilies()) await this.#removeFrom(family, key);
  }

  async list(key: SenderKey): Promise<string | undefined> {
    const lists = await Promise.all(ipFamilies().map((family) => this.#saved(family, key)));
    if (lists.every((lines) => lines.length === 0)) return undefined;
    return lists.map(listText).join('\n');
  }

  async keys(): Promise<readonly SenderKey[]> {
    const lists = await Promise.all(ipFamilies().map((family) => this.#saveLines(family)));
    const names = lists.flat().map(({ text }) => /^:HEDDLE_([UC])([^_]+)_/.exec(text));
    const keys = names.flatMap((name) =>
      name === null ? [] : [`${name[1] === 'U' ? 'uid' : 'cgroup'}_${name[2]}`],
    );
    return [...new Set(keys)].filter(isSenderKey);
  }

  async #removeFrom(family: Family, key: SenderKey): Promise<void> {
    const lines = await this.#saved(family, key);
    const text = [...Map.groupBy(lines, ({ table }) => table)]
      .map(([table, own]) =>
        tableText(
          table,
          removing(
            own.map((line) => line.text),
            prefixOf(key),
          ),
        ),
      )
      .join('');
    if (text !== '') await this.#restore(family, text);
  }

  /** What was there, after the rules of one family could be changed and those of the other could not. */
  async #putBack(family: Family, key: SenderKey, before: readonly SavedLine[]): Promise<void> {
    await this.#removeFrom(family, key);
    const text = [...Map.groupBy(before, ({ table }) => table)]
      .map(([table, lines]) =>
        tableText(
          table,
          lines.map((line) => line.text),
        ),
      )
      .join('');
    if (text !== '') await this.#restore(family, text);
  }

  async #saved(family: Family, key: SenderKey): Promise<readonly SavedLine[]> {
    const own = new RegExp(`(?:^:|^-A |-[jg] )${prefixOf(key)}_`);
    return (await this.#saveLines(family)).filter(({ text }) => own.test(text));
  }

  async #saveLines(family: Family): Promise<readonly SavedLine[]> {
    const result = await run([this.#filter.save[family]]);
    if (result.code !== 0) throw new Error(complaintOf(result));
    const lines: SavedLine[] = [];
    let table = '';
    for (const text of result.stdout.split('\n')) {
      if (text.startsWith('*')) table = text.slice(1);
      else if (text.startsWith(':') || text.startsWith('-')) lines.push({ table, text });
    }
    return lines;
  }

  async #restore(family: Family, input: string): Promise<void> {
    const result = await run([this.#filter.restore[family], '--noflush', '--wait', WAIT_S], { input });
    if (result.code !== 0) throw new Error(complaintOf(result));
  }
}

/** The same for the same rules: the order of chains is no part of them. */
function listText(lines: readonly SavedLine[]): string {
  const chainOf = ({ text }: SavedLine): string => text.split(' ')[text.startsWith(':') ? 0 : 1]!;
  return lines
    .toSorted((a, b) => (chainOf(a) < chainOf(b) ? -1 : chainOf(a) > chainOf(b) ? 1 : 0))
    .map(({ table, text }) => `${table} ${text}\n`)
    .join('');
}

/** Of its chains: `HEDDLE_U1000`. */
function prefixOf(key: SenderKey): string {
  const [kind, id] = key.split('_');
  return `HEDDLE_${kind === 'uid' ? 'U' : 'C'}${id}`;
}

/** Chains that are there already are filled anew, each table at once, and are not led to twice. */
function replacing(before: readonly SavedLine[], parts: readonly IptablesPart[]): string {
  return parts
    .map((part) => {
      const there = before.filter(({ table }) => table === part.table).map(({ text }) => text);
      const jumps = part.jumps.filter((jump) => !there.includes(jumpLine('-A')(jump)));
      return tableText(part.table, [...chainLines(part), ...jumps.map(jumpLine('-I'))]);
    })
    .join('');
}

/** @param lines of one table that name chains of ours */
function removing(lines: readonly string[], prefix: string): string[] {
  const jumps = lines.filter((line) => line.startsWith('-A ') && !line.startsWith(`-A ${prefix}_`));
  const chains = lines.filter((line) => line.startsWith(':')).map((line) => line.slice(1).split(' ')[0]!);
  return [
    ...jumps.map((line) => line.replace('-A', '-D')),
    ...chains.map((name) => `-F ${name}`),
    ...chains.map((name) => `-X ${name}`),
  ];
}
