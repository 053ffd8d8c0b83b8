/** A result as people read it: in the terminal, and as Markdown for the documentation. */
import type { Quartiles } from './measure/statistics.ts';
import { type ContenderName, contenderNames } from './program.ts';
import type { Result, Summary, Verdict } from './result.ts';
import type { Figure } from './row.ts';

/** How a verdict's figure is called where its own label says too little. */
const figureNames: Readonly<Record<string, string>> = {
  cpuUs: 'CPU',
  perSecond: 'throughput',
  addedP99Us: 'added p99',
  uniqueBytes: 'own memory',
};

const shownAs = ({ digits, per = 1 }: Figure, value: number): string => (value / per).toFixed(digits);

export const quartileText = ({ q1, median, q3 }: Quartiles, digits: number): string =>
  `${median.toFixed(digits)} (${q1.toFixed(digits)}–${q3.toFixed(digits)})`;

/** Figures at least one contender has. */
function figuresOf({ shown, contenders }: Result): Figure[] {
  const summaries = Object.values(contenders);
  return shown.filter(({ name }) => summaries.some(({ figures }) => (figures[name]?.median ?? 0) !== 0));
}

function cells(figures: readonly Figure[], summary: Summary): string[] {
  return figures.map((figure) => {
    const found = summary.figures[figure.name];
    return found === undefined || found.median === 0 ? '-' : shownAs(figure, found.median);
  });
}

/** The first figure with a bound, or the CPU: what ratios are shown of. */
function comparedOf({ verdicts, shown }: Result): string {
  return (
    verdicts.find(({ against }) => against !== 'itself')?.figure ??
    shown.find(({ name }) => name === 'cpuUs')?.name ??
    shown[0]?.name ??
    ''
  );
}

export function table(result: Result): string {
  const figures = figuresOf(result);
  const compared = comparedOf(result);
  const header = [
    'proxy',
    ...figures.map(({ label }) => label),
    `heddle: ${figureNames[compared] ?? compared} ×`,
  ];
  const rows = contenderNames.flatMap((name) => {
    const summary = result.contenders[name];
    if (summary === undefined) return [];
    const ratio = name === 'direct' ? undefined : result.ratios[name]?.[compared];
    return [
      [
        `${name} ${summary.version}`.trim(),
        ...cells(figures, summary),
        ratio === undefined ? '' : quartileText(ratio, 2),
        summary.objection === undefined ? '' : `does not count: ${summary.objection}`,
      ],
    ];
  });
  const widths = header.map((title, at) =>
    Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)),
  );
  const line = (row: readonly string[]): string =>
    row
      .map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0)))
      .join('  ');
  return [
    `${result.row}: ${result.title}`,
    ...[header, ...rows].map((row) => line(row).trimEnd()),
    ...result.verdicts.map((verdict) => `  ${verdictText(verdict)}`),
    ...leftOutLines(result).map((text) => `  ${text}`),
  ].join('\n');
}

function leftOutLines({ leftOut }: Result): string[] {
  return Object.entries(leftOut).map(([name, reason]) => {
    // Of what a program said, where it began and how it ended.
    const lines = reason.trim().split('\n');
    return `${name} is left out: ${lines.length > 1 ? `${lines[0]} … ${lines.at(-1)}` : reason}`;
  });
}

function verdictText(verdict: Verdict): string {
  const { figure, against, found, objection } = verdict;
  const digits = against === 'itself' ? 1 : 2;
  const of = against === 'itself' ? '' : ` × ${against}`;
  const limits = limitsOf(verdict).map(
    ([word, limit, holds]) => `${word} ${limit}: ${holds ? 'holds' : 'DOES NOT HOLD'}`,
  );
  const counts = objection === undefined ? '' : `; does not count: ${objection}`;
  return `${figureNames[figure] ?? figure}${of} ${quartileText(found, digits)}; ${limits.join(', ')}${counts}`;
}

type Limit = readonly [word: string, limit: string, holds: boolean];

function limitsOf({ must, reach, mustHolds, reachHolds, atLeast }: Verdict): Limit[] {
  const sign = atLeast === true ? '≥' : '≤';
  return [
    ...(must === undefined ? [] : [['must', `${sign} ${must}`, mustHolds === true] as const]),
    ...(reach === undefined ? [] : [['reach', `${sign} ${reach}`, reachHolds === true] as const]),
  ];
}

/** The bounds of all results in one table, then a table a row. */
export function markdown(results: readonly Result[]): string {
  const [about] = results;
  if (about === undefined) return 'No results.\n';
  const seen = new Set(results.map(({ machine, node }) => `${machine}, Node ${node.replace(/^v/, '')}`));
  const dates = new Set(
    results.map(
      ({ date, commit, rounds, seconds }) => `${date} (${commit}, ${rounds} rounds of ${seconds} s)`,
    ),
  );
  const versions = contenderNames.flatMap((name: ContenderName) => {
    const found = new Set(results.flatMap(({ contenders }) => contenders[name]?.version ?? []));
    found.delete('');
    return found.size === 0 ? [] : [`${name} ${[...found].join(', ')}`];
  });
  return [
    `Machine: ${[...seen].join('; ')}. Measured: ${[...dates].join('; ')}. Programs: ${versions.join(', ')}.`,
    boundTable(results),
    ...results.map(rowTable),
  ]
    .join('\n\n')
    .concat('\n');
}

function boundTable(results: readonly Result[]): string {
  const lines = results.flatMap(({ row, verdicts }) =>
    verdicts.map((verdict) => {
      const limits = limitsOf(verdict);
      const limit = (word: string): string => {
        const found = limits.find(([name]) => name === word);
        return found === undefined ? '–' : `${found[1]} ${found[2] ? 'yes' : '**no**'}`;
      };
      const { figure, against, found, objection } = verdict;
      const of = against === 'itself' ? '' : ` × ${against}`;
      return [
        `\`${row}\``,
        `${figureNames[figure] ?? figure}${of}`,
        quartileText(found, against === 'itself' ? 1 : 2) +
          (objection === undefined ? '' : ` (does not count: ${objection})`),
        limit('must'),
        limit('reach'),
      ];
    }),
  );
  return markdownTable(['row', 'Heddle', 'median (quartiles)', 'must', 'reach'], lines);
}

function rowTable(result: Result): string {
  const figures = figuresOf(result);
  const compared = comparedOf(result);
  const lines = contenderNames.flatMap((name) => {
    const summary = result.contenders[name];
    if (summary === undefined) return [];
    const ratio = name === 'direct' ? undefined : result.ratios[name]?.[compared];
    const against = summary.objection === undefined ? '' : ` (does not count: ${summary.objection})`;
    return [[name + against, ...cells(figures, summary), ratio === undefined ? '' : quartileText(ratio, 2)]];
  });
  const header = ['', ...figures.map(({ label }) => label), `Heddle: ${figureNames[compared] ?? compared} ×`];
  return [
    `**\`${result.row}\`**: ${result.title}`,
    markdownTable(header, lines),
    ...leftOutLines(result),
  ].join('\n\n');
}

function markdownTable(header: readonly string[], lines: readonly (readonly string[])[]): string {
  const line = (cellsOfLine: readonly string[]): string => `| ${cellsOfLine.join(' | ')} |`;
  return [line(header), `|${'---|'.repeat(header.length)}`, ...lines.map(line)].join('\n');
}
