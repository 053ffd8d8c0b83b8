/** Prometheus text exposition, version 0.0.4 (https://prometheus.io/docs/instrumenting/exposition_formats/). */

export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  /** Whether anything was ever counted (Envoy's `usedonly`). */
  readonly used: boolean;
  /** The value; of a histogram: how many values were recorded. */
  readonly value: number;
  readonly bounds?: readonly number[];
  /** Cumulative, one for each of `bounds`. */
  readonly counts?: readonly number[];
  readonly sum?: number;
}

export interface PrometheusFamily {
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** '' leaves the line out. */
  readonly help: string;
  readonly samples: readonly Sample[];
}

/** The `content-type` of what {@link renderPrometheus} gives. */
export const prometheusContentType = 'text/plain; version=0.0.4; charset=utf-8';

export function renderPrometheus(families: readonly PrometheusFamily[]): string {
  const lines: string[] = [];
  for (const { name, type, help, samples } of families) {
    if (samples.length === 0) continue;
    if (help !== '') lines.push(`# HELP ${name} ${help.replace(/\\/g, '\\\\').replace(/\n/g, '\\n')}`);
    lines.push(`# TYPE ${name} ${type}`);
    for (const sample of samples) renderSample(lines, name, sample);
  }
  return lines.length === 0 ? '' : `${lines.join('\n')}\n`;
}

function renderSample(lines: string[], name: string, { labels, value, bounds, counts, sum }: Sample): void {
  const inner = Object.entries(labels)
    .map(([label, text]) => `${label}="${escapeLabel(text)}"`)
    .join(',');
  const braces = inner === '' ? '' : `{${inner}}`;
  if (bounds === undefined || counts === undefined) {
    lines.push(`${name}${braces} ${formatNumber(value)}`);
    return;
  }
  const before = inner === '' ? '' : `${inner},`;
  bounds.forEach((bound, i) => {
    lines.push(`${name}_bucket{${before}le="${bound}"} ${counts[i] ?? 0}`);
  });
  lines.push(`${name}_bucket{${before}le="+Inf"} ${value}`);
  lines.push(`${name}_sum${braces} ${formatNumber(sum ?? 0)}`);
  lines.push(`${name}_count${braces} ${value}`);
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

function escapeLabel(text: string): string {
  return /["\\\n]/.test(text) ? text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n') : text;
}
