/** Envoy's metrics as Prometheus groups them: by name without what became labels. */
import type { Steps } from '#core/time-slice.ts';
import { type MetricKind, metricKinds } from './metric-table.ts';
import { type MetricRow, rowNamed, type ScopeGroup } from './metrics-sum.ts';
import { labelText, type PrometheusFamily, type Sample } from './prometheus.ts';
import { extractTags } from './stat-tags.ts';
import type { StatsView } from './stats-view.ts';

/** @param sampleOf what is shown of a row. */
export function* envoyFamilies(
  groups: readonly ScopeGroup[],
  sampleOf: (row: MetricRow, labels: string) => Sample,
  { shows, fixedTags }: StatsView,
): Steps<PrometheusFamily[]> {
  const fixed = Object.fromEntries(fixedTags.map(([name, value]) => [labelName(name), value]));
  const labels = new Map<ScopeGroup, string>();
  const families = new Map<string, { readonly kind: MetricKind; readonly sources: Source[] }>();
  for (const [family, { members, names }] of yield* scopeFamilies(groups)) {
    for (const kind of metricKinds) {
      for (const name of names[kind]) {
        const { base, tags } = extractTags(name);
        const shown = familyName(family, base);
        const found = families.get(shown) ?? { kind, sources: [] };
        families.set(shown, found);
        // Two kinds under one name would make the page invalid: the first one stays.
        if (found.kind !== kind) continue;
        const source = found.sources.find((candidate) => candidate.members === members);
        const metric = { name, tags: labelText(tags) };
        if (source === undefined) found.sources.push({ members, metrics: [metric] });
        else source.metrics.push(metric);
      }
    }
    yield;
  }
  return [...families].map(([name, { kind, sources }]) => ({
    name,
    type: kind,
    help: '',
    samples: { [Symbol.iterator]: () => samplesOf(kind, sources, { labels, shows, fixed }, sampleOf) },
  }));
}

/** Scopes of one family, and metrics of theirs that are shown under one name. */
interface Source {
  readonly members: readonly ScopeGroup[];
  readonly metrics: { readonly name: string; readonly tags: string }[];
}

interface ScopeFamily {
  readonly members: ScopeGroup[];
  readonly names: Readonly<Record<MetricKind, Set<string>>>;
}

const SCOPES_A_STEP = 32;

function* scopeFamilies(groups: readonly ScopeGroup[]): Steps<Map<string, ScopeFamily>> {
  const families = new Map<string, ScopeFamily>();
  for (const [i, group] of groups.entries()) {
    let family = families.get(group.family);
    if (family === undefined) {
      family = { members: [], names: { counter: new Set(), gauge: new Set(), histogram: new Set() } };
      families.set(group.family, family);
    }
    family.members.push(group);
    for (const scope of group.scopes) {
      for (const kind of metricKinds) for (const name of scope.names(kind)) family.names[kind].add(name);
    }
    if (i % SCOPES_A_STEP === 0) yield;
  }
  return families;
}

function* samplesOf(
  kind: MetricKind,
  sources: readonly Source[],
  { labels, shows, fixed }: Shown,
  sampleOf: (row: MetricRow, labels: string) => Sample,
): Generator<Sample, void, undefined> {
  for (const { members, metrics } of sources) {
    for (const group of members) {
      let own = labels.get(group);
      if (own === undefined) {
        own = labelText({ ...group.labels, ...fixed });
        labels.set(group, own);
      }
      for (const { name, tags } of metrics) {
        const row = rowNamed(group, kind, name);
        if (row === undefined || (shows !== undefined && !shows(row.path))) continue;
        yield sampleOf(row, tags === '' || own === '' ? tags + own : `${tags},${own}`);
      }
    }
  }
}

interface Shown {
  /** As text, those of a scope. */
  readonly labels: Map<ScopeGroup, string>;
  readonly shows: StatsView['shows'];
  /** On every sample. */
  readonly fixed: Readonly<Record<string, string>>;
}

function labelName(tag: string): string {
  return tag.replace(/[^A-Za-z0-9_]/g, '_');
}

function familyName(scope: string, base: string): string {
  return `envoy_${scope === '' ? '' : `${scope}_`}${base}`.replace(/[^A-Za-z0-9_:]/g, '_');
}
