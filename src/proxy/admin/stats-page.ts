/** `/stats` and `/stats/prometheus`, with Envoy's parameters. */
import type { JsonValue } from '@bufbuild/protobuf';
import { shownQuantiles } from '#observe/distribution.ts';
import type { Metrics } from '#observe/metrics.ts';
import { prometheusContentType } from '#observe/prometheus.ts';
import { type Stat, statLine } from '#observe/stat.ts';
import { type AdminPage, type AdminReply, type AdminView, lazyJsonReply, textReply } from './contract.ts';
import { type LazyJson, LazyList, LazyObject } from './json-pieces.ts';
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
    if (format === 'json') return lazyJsonReply(statsJson(view.metrics, chosen));
    return { ...textReply(''), body: statsText(view.metrics, chosen) };
  },
};

export const prometheusPage: AdminPage = {
  path: '/stats/prometheus',
  method: 'GET',
  help: 'print server stats in prometheus format (usedonly, filter=REGEX)',
  answer(query, view: AdminView): AdminReply {
    const chosen = chooser(query);
    if (chosen === undefined) return textReply('Invalid re2 regex\n', 400);
    const body = view.metrics.prometheusPieces(chosen);
    return { status: 200, contentType: prometheusContentType, body };
  },
};

type Chooser = (name: string, used: boolean) => boolean;

/** Undefined where the filter is no regular expression. */
function chooser(query: URLSearchParams): Chooser | undefined {
  const usedOnly = query.has('usedonly');
  const named = nameFilter(query.get('filter'));
  return named && ((name, used) => (used || !usedOnly) && named(name));
}

const numberKinds = ['counter', 'gauge'] as const;
const histogramKinds = ['histogram'] as const;

function* statsText(metrics: Metrics, chosen: Chooser): Generator<string, void, undefined> {
  for (const kinds of [numberKinds, histogramKinds]) {
    for (const stats of metrics.statBatches(kinds)) {
      let piece = '';
      for (const stat of stats) if (chosen(stat.name, stat.used)) piece += `${statLine(stat)}\n`;
      yield piece;
    }
  }
}

/** Numbers, and then one object with all histograms, where there are any. */
function statsJson(metrics: Metrics, chosen: Chooser): LazyJson {
  function* numbers(): Generator<LazyJson | undefined, void, undefined> {
    for (const stats of metrics.statBatches(numberKinds)) {
      for (const stat of stats) {
        if (stat.kind !== 'histogram' && chosen(stat.name, stat.used))
          yield { name: stat.name, value: stat.value };
      }
      yield undefined;
    }
    const histograms = histogramItems(metrics, chosen);
    for (let next = histograms.next(); next.done !== true; next = histograms.next()) {
      if (next.value === undefined) {
        yield undefined;
        continue;
      }
      yield histogramList(next.value, histograms);
      return;
    }
  }
  return new LazyObject(() => [['stats', new LazyList(numbers)]]);
}

function histogramList(first: JsonValue, more: Iterable<JsonValue | undefined>): LazyJson {
  function* all(): Generator<JsonValue | undefined, void, undefined> {
    yield first;
    yield* more;
  }
  const fields = (): [string, LazyJson][] => [
    ['supported_quantiles', [...shownQuantiles]],
    ['computed_quantiles', new LazyList(all)],
  ];
  return new LazyObject(() => [['histograms', new LazyObject(fields)]]);
}

function* histogramItems(
  metrics: Metrics,
  chosen: Chooser,
): Generator<JsonValue | undefined, void, undefined> {
  for (const stats of metrics.statBatches(histogramKinds)) {
    for (const stat of stats) {
      if (stat.kind === 'histogram' && chosen(stat.name, stat.used)) yield histogramJson(stat);
    }
    yield undefined;
  }
}

function histogramJson({ name, histogram }: Extract<Stat, { kind: 'histogram' }>): JsonValue {
  const { interval, all } = histogram.quantiles();
  const values = shownQuantiles.map((_, i) => ({
    interval: orNull(interval[i]),
    cumulative: orNull(all[i]),
  }));
  return { name, values };
}

function orNull(value: number | undefined): number | null {
  return value === undefined || Number.isNaN(value) ? null : value;
}
