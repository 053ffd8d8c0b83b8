/** Prometheus text exposition, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). */
import { shownQuantiles } from './distribution.ts';

export interface Sample {
  /** See {@link labelText}. */
  readonly labels: string;
  /** Whether anything was ever counted (Envoy's `usedonly`). */
  readonly used: boolean;
  /** The value; of a histogram: how many values were recorded. */
  readonly value: number;
  readonly bounds?: readonly number[];
  /** Cumulative, one for each of `bounds`. */
  readonly counts?: readonly number[];
  readonly sum?: number;
  /** Of a summary, in the order of `shownQuantiles`. */
  readonly quantiles?: readonly number[];
}

export interface PrometheusFamily {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** '' leaves the line out. */
  readonly help: string;
  readonly samples: Iterable<Sample>;
}

/** The `content-type` of what {@link renderPrometheus} gives. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8';

export function renderPrometheus(families: readonly PrometheusFamily[]): string {
  return [...prometheusPieces(families)].join('');
}

const SAMPLES_A_PIECE = 32;

/**
 * The same in pieces, a few samples each.
 *
 * @param chosen whether a sample of the family of that name is shown.
 */
export function* prometheusPieces(
  families: readonly PrometheusFamily[],
  chosen: (name: string, used: boolean) => boolean = () => true,
): Generator<string, void, undefined> {
  for (const { name, type, help, samples } of families) {
    let piece = '';
    let head = `# TYPE ${name} ${type}\n`;
    if (help !== '') head = `# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}\n${head}`;
    let seen = 0;
    for (const sample of samples) {
      if (sample.quantiles !== undefined) head = head.replace(/ histogram\n$/, ' summary\n');
      if (chosen(name, sample.used)) {
        piece += head + sampleText(name, sample);
        head = '';
      }
      if (++seen % SAMPLES_A_PIECE !== 0) continue;
      yield piece;
      piece = '';
    }
    yield piece;
  }
}

function sampleText(name: string, { labels, value, bounds, counts, sum, quantiles }: Sample): string {
  const braces = labels === '' ? '' : `{${labels}}`;
  if (quantiles !== undefined) return summaryText(name, labels, quantiles, sum ?? 0, value);
  if (bounds === undefined || counts === undefined) return `${name}${braces} ${formatNumber(value)}\n`;
  const before = labels === '' ? '' : `${labels},`;
  let text = '';
  for (let i = 0; i < bounds.length; i++) {
    text += `${name}_bucket{${before}le="${bounds[i]}"} ${counts[i] ?? 0}\n`;
  }
  text += `${name}_bucket{${before}le="+Inf"} ${value}\n`;
  return `${text}${name}_sum${braces} ${formatNumber(sum ?? 0)}\n${name}_count${braces} ${value}\n`;
}

function summaryText(
  name: string,
  labels: string,
  quantiles: readonly number[],
  sum: number,
  count: number,
): string {
  const before = labels === '' ? '' : `${labels},`;
  const braces = labels === '' ? '' : `{${labels}}`;
  const lines = quantiles.map(
    (value, i) => `${name}{${before}quantile="${shownQuantiles[i]! / 100}"} ${formatNumber(value)}\n`,
  );
  return `${lines.join('')}${name}_sum${braces} ${formatNumber(sum)}\n${name}_count${braces} ${count}\n`;
}

/** Labels as they stand between the braces; '' without any. */
export function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([label, text]) => `${label}="${escapeLabel(text)}"`)
    .join(',');
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

function escapeLabel(text: string): string {
  return /["\\\n]/.test(text) ? text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n') : text;
}
