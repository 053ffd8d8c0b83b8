/** Figures of rows as they are kept: a file a row, the newest. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Figures } from './figures.ts';
import type { ProxyName } from './proxy.ts';
import type { About, Result } from './report.ts';
import { type Scenario, scenarios } from './scenario.ts';

const folder = join(import.meta.dirname, 'results');

/** JSON has no NaN, which stands where no request was answered. */
type Kept = { readonly [Name in keyof Figures]: number | null };

interface File {
  readonly about: About;
  /** As it was when it was measured. */
  readonly scenario: Scenario;
  readonly figures: Readonly<Record<ProxyName, readonly Kept[]>>;
}

const fileOf = (row: string): string => join(folder, `${row}.json`);

export function keep({ about, scenario, figures }: Result): void {
  mkdirSync(folder, { recursive: true });
  writeFileSync(fileOf(scenario.name), `${JSON.stringify({ about, scenario, figures }, undefined, 2)}\n`);
}

/** Of all rows that were measured as they are now, in the order of the rows. */
export function kept(): Result[] {
  return scenarios.flatMap((scenario) => {
    const file = fileOf(scenario.name);
    if (!existsSync(file)) return [];
    const { about, scenario: then, figures } = JSON.parse(readFileSync(file, 'utf8')) as File;
    if (JSON.stringify(then) !== JSON.stringify(scenario)) return [];
    return [{ about, scenario, figures: { envoy: read(figures.envoy), heddle: read(figures.heddle) } }];
  });
}

function read(rounds: readonly Kept[]): Figures[] {
  return rounds.map(
    (round) =>
      Object.fromEntries(
        Object.entries(round).map(([name, value]) => [name, value ?? Number.NaN]),
      ) as unknown as Figures,
  );
}
