/** `/stats` and `/stats/prometheus`, with Envoy's parameters. */
import type { JsonValue } from '@bufbuild/protobuf';
import { shownQuantiles } from '#observe/distribution.ts';
import { renderStatLines, type Stat } from '#observe/metrics.ts';
import { prometheusContentType, renderPrometheus } from '#observe/prometheus.ts';
import { type AdminPage, type AdminReply, type AdminView, jsonReply, textReply } from './contract.ts';
import { nameFilter } from './name-filter.ts';

export const statsPage: AdminPage = {
  path: '/stats',
  method: 'GET',
  help: 'print server stats (usedonly, filter=REGEX, format=json|prometheus)',
  answer(query, view): AdminReply {
    const format = query.get('format') ?? 'text';
    if (format === 'prometheus') return prometheusPage.answer(query, view) as AdminReply;
    if (format !== 'text' && format !== 'json') {
      return textReply('usage: /stats?format=(text|json|prometheus)\n', 400);
    }
    const chosen = chooser(query);
    if (chosen === undefined) return textReply('Invalid re2 regex\n', 400);
    const stats = view.metrics.stats().filter((stat) => chosen(stat.name, stat.used));
    if (format === 'json') return jsonReply(statsJson(stats));
    return textReply(
      renderStatLines(stats)
        .map((line) => `${line}\n`)
        .join(''),
    );
  },
};

export const prometheusPage: AdminPage = {
  path: '/stats/prometheus',
  method: 'GET',
  help: 'print server stats in prometheus format (usedonly, filter=REGEX)',
  answer(query, view: AdminView): AdminReply {
    const chosen = chooser(query);
    if (chosen === undefined) return textReply('Invalid re2 regex\n', 400);
    const families = view.metrics.prometheusFamilies().map((family) => ({
      ...family,
      samples: family.samples.filter((sample) => chosen(family.name, sample.used)),
    }));
    return { status: 200, contentType: prometheusContentType, body: renderPrometheus(families) };
  },
};

/** Undefined where the filter is no regular expression. */
function chooser(query: URLSearchParams): ((name: string, used: boolean) => boolean) | undefined {
  const usedOnly = query.has('usedonly');
  const named = nameFilter(query.get('filter'));
  return named && ((name, used) => (used || !usedOnly) && named(name));
}

function statsJson(stats: readonly Stat[]): JsonValue {
  const numbers: JsonValue[] = [];
  const histograms: JsonValue[] = [];
  for (const stat of stats) {
    if (stat.kind !== 'histogram') {
      numbers.push({ name: stat.name, value: stat.value });
      continue;
    }
    const { interval, all } = stat.histogram.quantiles();
    const values = shownQuantiles.map((_, i) => ({
      interval: orNull(interval[i]),
      cumulative: orNull(all[i]),
    }));
    histograms.push({ name: stat.name, values });
  }
  if (histograms.length === 0) return { stats: numbers };
  const quantiles = { supported_quantiles: [...shownQuantiles], computed_quantiles: histograms };
  return { stats: [...numbers, { histograms: quantiles }] };
}

function orNull(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}
