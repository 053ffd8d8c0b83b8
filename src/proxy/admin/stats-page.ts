/** `/stats` and `/stats/prometheus`, with Envoy's parameters. */
import { prometheusContentType } from '#observe/prometheus.ts';
import type { Stat } from '#observe/stat.ts';
import { type AdminPage, type AdminReply, type AdminView, lazyJsonReply, textReply } from './contract.ts';
import {
  type BucketMode,
  bucketModes,
  histogramJson,
  histogramsJson,
  histogramText,
} from './histogram-modes.ts';
import { type LazyJson, LazyList, LazyObject } from './json-pieces.ts';
import { nameFilter } from './name-filter.ts';
import { textReadouts } from './text-readouts.ts';

const common = {
  usedonly: 'only what was ever counted',
  filter: 'regular expression (RE2) for names',
  invert_filter: 'names that the filter does not match',
};

export const statsPage: AdminPage = {
  path: '/stats',
  method: 'GET',
  help: 'print server stats',
  parameters: {
    ...common,
    format: 'one of html, text, json, prometheus',
    type: 'one of All, Counters, Histograms, Gauges, TextReadouts',
    histogram_buckets: 'one of cumulative, disjoint, detailed, summary',
  },
  answer(query, view): AdminReply {
    const format = query.get('format') ?? 'text';
    if (format === 'prometheus') return prometheusPage.answer(query, view) as AdminReply;
    if (!['text', 'json', 'html'].includes(format))
      return textReply('usage: /stats?format=(html|json|prometheus|text)\n\n', 400);
    const kinds = statKinds[query.get('type') ?? 'All'];
    if (kinds === undefined) return textReply('invalid &type= param', 400);
    const asked = query.get('histogram_buckets') ?? 'summary';
    const mode = bucketModes.find((one) => one === (asked === 'none' ? 'summary' : asked));
    if (mode === undefined)
      return textReply('usage: /stats?histogram_buckets=(cumulative|disjoint|detailed|summary)\n', 400);
    const chosen = chooser(query);
    if (chosen === undefined) return textReply('Invalid re2 regex\n', 400);
    const page: StatsPage = { view, chosen, kinds, mode };
    if (format === 'json') return lazyJsonReply(statsJson(page));
    if (format === 'html')
      return { status: 200, contentType: 'text/html; charset=UTF-8', body: statsHtml(page) };
    return { ...textReply(''), body: statsText(page) };
  },
};

export const prometheusPage: AdminPage = {
  path: '/stats/prometheus',
  method: 'GET',
  help: 'print server stats in prometheus format',
  parameters: {
    ...common,
    text_readouts: 'text readouts too, as gauges of value 0',
    histogram_buckets: 'one of cumulative, summary',
  },
  answer(query, view: AdminView): AdminReply {
    const mode = query.get('histogram_buckets') ?? 'cumulative';
    if (!['cumulative', 'summary', 'none'].includes(mode))
      return textReply('unsupported prometheus histogram bucket mode', 400);
    const chosen = chooser(query);
    if (chosen === undefined) return textReply('Invalid re2 regex\n', 400);
    const body = prometheusText(view, chosen, mode === 'summary', query.has('text_readouts'));
    return { status: 200, contentType: prometheusContentType, body };
  },
};

type Chooser = (name: string, used: boolean) => boolean;
type Kind = 'text' | 'counter' | 'gauge' | 'histogram';

interface StatsPage {
  readonly view: AdminView;
  readonly chosen: Chooser;
  readonly kinds: readonly Kind[];
  readonly mode: BucketMode;
}

const statKinds: Readonly<Record<string, readonly Kind[]>> = {
  All: ['text', 'counter', 'gauge', 'histogram'],
  Counters: ['counter'],
  Gauges: ['gauge'],
  Histograms: ['histogram'],
  TextReadouts: ['text'],
};

/** Undefined where the filter is no regular expression. */
function chooser(query: URLSearchParams): Chooser | undefined {
  const usedOnly = query.has('usedonly');
  const inverted = query.has('invert_filter');
  const pattern = query.get('filter');
  const named = nameFilter(pattern);
  return named && ((name, used) => (used || !usedOnly) && (pattern === null || named(name) !== inverted));
}

function* readouts({
  view,
  chosen,
  kinds,
}: StatsPage): Generator<readonly [string, string], void, undefined> {
  if (!kinds.includes('text')) return;
  for (const [name, value] of textReadouts(view)) if (chosen(name, true)) yield [name, value];
}

/** Batches of what is chosen; none where others may run. */
function* numbers({ view, chosen, kinds }: StatsPage): Generator<readonly NumberStat[], void, undefined> {
  const wanted = (['counter', 'gauge'] as const).filter((kind) => kinds.includes(kind));
  if (wanted.length === 0) return;
  for (const stats of view.metrics.statBatches(wanted)) {
    yield stats.filter(
      (stat): stat is NumberStat => stat.kind !== 'histogram' && chosen(stat.name, stat.used),
    );
  }
}

function* histograms({
  view,
  chosen,
  kinds,
}: StatsPage): Generator<readonly HistogramStat[], void, undefined> {
  if (!kinds.includes('histogram')) return;
  for (const stats of view.metrics.statBatches(['histogram'])) {
    yield stats.filter(
      (stat): stat is HistogramStat => stat.kind === 'histogram' && chosen(stat.name, stat.used),
    );
  }
}

type NumberStat = Exclude<Stat, { kind: 'histogram' }>;
type HistogramStat = Extract<Stat, { kind: 'histogram' }>;

function* statsText(page: StatsPage): Generator<string, void, undefined> {
  for (const [name, value] of readouts(page)) yield `${name}: ${JSON.stringify(value)}\n`;
  for (const stats of numbers(page)) yield stats.map(({ name, value }) => `${name}: ${value}\n`).join('');
  for (const stats of histograms(page))
    yield stats.map((stat) => `${histogramText(stat, page.mode)}\n`).join('');
}

function* statsHtml(page: StatsPage): Generator<string, void, undefined> {
  yield "<!DOCTYPE html>\n<html lang='en'><head><meta charset='utf-8'><title>Heddle stats</title></head><body><pre>\n";
  for (const piece of statsText(page)) yield piece.replace(/&/g, '&amp;').replace(/</g, '&lt;');
  yield '</pre></body></html>\n';
}

/** Texts, numbers, and then one object with all histograms, where there are any. */
function statsJson(page: StatsPage): LazyJson {
  function* items(): Generator<LazyJson | undefined, void, undefined> {
    for (const [name, value] of readouts(page)) yield { name, value };
    for (const stats of numbers(page)) {
      for (const { name, value } of stats) yield { name, value };
      yield undefined;
    }
    const batches = histograms(page);
    for (let next = batches.next(); next.done !== true; next = batches.next()) {
      if (next.value.length === 0) {
        yield undefined;
        continue;
      }
      const first = next.value;
      yield new LazyObject(() => [['histograms', histogramsJson(new LazyList(() => all(first)), page.mode)]]);
      return;
    }
    function* all(first: readonly HistogramStat[]): Generator<LazyJson | undefined, void, undefined> {
      for (const stat of first) yield histogramJson(stat, page.mode);
      for (const stats of batches) {
        for (const stat of stats) yield histogramJson(stat, page.mode);
        yield undefined;
      }
    }
  }
  return new LazyObject(() => [['stats', new LazyList(items)]]);
}

function* prometheusText(
  view: AdminView,
  chosen: Chooser,
  summaries: boolean,
  withReadouts: boolean,
): Generator<string, void, undefined> {
  yield* view.metrics.prometheusPieces(chosen, summaries);
  if (!withReadouts) return;
  for (const [name, value] of textReadouts(view)) {
    if (!chosen(name, true)) continue;
    const family = `envoy_${name.replace(/[^A-Za-z0-9_]/g, '_')}`;
    yield `# TYPE ${family} gauge\n${family}{text_value=${JSON.stringify(value)}} 0\n`;
  }
}
