/** What the rounds come to: medians, spreads, the rule that each row is held to, and the table of docs/resilience.md. */
import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { median } from '../../bench/measure/statistics.ts';
import { type FigureName, type Figures, figureNames } from './figures.ts';
import type { Measured } from './measure.ts';
import type { ProxyName } from './proxy.ts';

/** Heddle's median of a time may be so many times Envoy's. */
const mostTimes = 1.25;

interface Summary {
  readonly median: number;
  readonly least: number;
  readonly most: number;
}

function summary(rounds: readonly Figures[], name: FigureName): Summary {
  const values = rounds.map((figures) => figures[name]);
  return { median: median(values), least: Math.min(...values), most: Math.max(...values) };
}

/** Figures of Heddle that the rule does not allow, with what it would; none: the row holds. */
export function objections({ figures }: Measured): string[] {
  return figureNames.flatMap((name) => {
    const envoy = summary(figures.envoy, name);
    const heddle = summary(figures.heddle, name);
    if (name === 'success') {
      const least = envoy.median - (envoy.most - envoy.least);
      return heddle.median >= least ? [] : [`success ${shares(heddle.median)} under ${shares(least)}`];
    }
    // Nothing to compare: no request was answered well.
    if (Number.isNaN(envoy.median)) return [];
    const most = envoy.median * mostTimes;
    return heddle.median <= most ? [] : [`${labels[name]} ${times(heddle.median)} over ${times(most)} ms`];
  });
}

const labels: Readonly<Record<FigureName, string>> = {
  success: 'success %',
  duringP99Ms: 'p99 during',
  afterP99Ms: 'p99 after',
  recoveryMs: 'recovery',
};
const shares = (value: number): string => (value * 100).toFixed(2);
const times = (value: number): string => (value < 100 ? value.toFixed(1) : value.toFixed(0));

/** When and where a row was measured. */
export interface About {
  readonly date: string;
  readonly commit: string;
  readonly machine: string;
  readonly rounds: number;
}

/** A row with its figures: rows may be measured at different times. */
export interface Result extends Measured {
  readonly about: About;
}

export function table(results: readonly Result[]): string {
  const late = median(
    results.flatMap(({ figures }) => [...figures.envoy, ...figures.heddle].map((of) => of.lateP99Ms)),
  );
  const held = results.filter((row) => objections(row).length === 0).length;
  const cell = (row: Result, proxy: ProxyName, name: FigureName): string => {
    const { median: middle, least, most } = summary(row.figures[proxy], name);
    const shown = name === 'success' ? shares : times;
    return row.about.rounds === 1 ? shown(middle) : `${shown(middle)} (${shown(least)}–${shown(most)})`;
  };
  const heads = figureNames.flatMap((name) => [`${labels[name]}: Envoy`, 'Heddle']);
  const lines = results.map((row) => {
    const cells = figureNames.flatMap((name) => [cell(row, 'envoy', name), cell(row, 'heddle', name)]);
    const verdict = objections(row).length === 0 ? 'yes' : `no: ${objections(row).join('; ')}`;
    return `| \`${row.scenario.name}\` | ${[...cells, verdict].join(' | ')} |`;
  });
  return [
    `${occasions(results)} Times are in ms. The rule holds in ${held} of ${results.length} rows.` +
      ` The load itself was late by ${times(late)} ms (p99, median of all runs).`,
    '',
    `| row | ${[...heads, 'holds'].join(' | ')} |`,
    `|---|${'---|'.repeat(heads.length + 1)}`,
    ...lines,
  ].join('\n');
}

/** Where and when rows were measured, each occasion once. */
function occasions(results: readonly Result[]): string {
  const texts = results.map(({ about: { date, commit, machine, rounds } }) => {
    const spread = rounds === 1 ? 'one round' : `medians of ${rounds} rounds, with the least and the most`;
    return `${date}, commit ${commit}, ${machine}: ${spread}`;
  });
  const counts = [...Map.groupBy(texts, (text) => text)].map(([text, of]) => [text, of.length] as const);
  if (counts.length === 1) return `${counts[0]![0]}.`;
  return `${counts.map(([text, count]) => `${text} (${count} rows)`).join('; ')}.`;
}

/** Of each row, what it is: fixed before anything is measured. */
export function rowsTable(rows: readonly Measured['scenario'][]): string {
  const lines = rows.map(({ name, title, load, faults, failed, recovery }) => {
    const spans = [
      ...new Set(faults.map(({ fromSeconds, untilSeconds }) => `${fromSeconds}–${untilSeconds}`)),
    ];
    const within = `${recovery.withinMs} ms, from its ${recovery.from}`;
    return `| \`${name}\` | ${title} | ${spans.join(', ')} of ${load.seconds} | ${load.perSecond} | ${failed.afterMs / 1000} | ${within} |`;
  });
  return [
    '| row | what goes wrong | seconds | requests/s | too late after s | recovered when within |',
    '|---|---|---|---|---|---|',
    ...lines,
  ].join('\n');
}

const page = resolve(import.meta.dirname, '../../../docs/resilience.md');

/** Puts `text` between the two comments of that name. */
export function fill(name: 'rows' | 'figures', text: string): void {
  const before = readFileSync(page, 'utf8');
  const after = filled(before, name, text);
  if (after !== before) writeFileSync(page, after);
}

/** Whether the page has the rows as they are. */
export const isCurrent = (rows: readonly Measured['scenario'][]): boolean => {
  const text = readFileSync(page, 'utf8');
  return filled(text, 'rows', rowsTable(rows)) === text;
};

function filled(text: string, name: string, inside: string): string {
  const [begin, end] = [`<!-- ${name} -->\n`, `<!-- end of ${name} -->`];
  const [from, to] = [text.indexOf(begin), text.indexOf(end)];
  if (from === -1 || to === -1) throw new Error(`docs/resilience.md has no place for ${name}`);
  return `${text.slice(0, from + begin.length)}\n${inside}\n\n${text.slice(to)}`;
}
