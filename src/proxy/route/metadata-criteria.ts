/** What a route, or a request, asks of the metadata of endpoints: values below `envoy.lb`, by the names of its keys. */
import type { MetadataValue } from '#observe/access-record.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';

export interface Criterion {
  readonly name: string;
  /** Of the value; see {@link valueKey}. */
  readonly key: string;
  readonly value: MetadataValue;
}

export interface MetadataCriteria {
  /** Sorted by name, each once. */
  readonly list: readonly Criterion[];
  /** Equal for equal names. */
  readonly names: string;
  /** Equal for equal names and values. */
  readonly key: string;
}

type Fields = Readonly<Record<string, MetadataValue>>;

/** The namespace that balancing reads, of endpoints, routes and requests. */
export const BALANCING_METADATA = 'envoy.lb';

/** Undefined where nothing is said. */
export function compileCriteria(metadata: Metadata | undefined): MetadataCriteria | undefined {
  const fields = metadata?.filterMetadata[BALANCING_METADATA];
  return fields === undefined ? undefined : criteriaOf(fields as Fields);
}

export function criteriaOf(fields: Fields): MetadataCriteria {
  return sorted(Object.entries(fields).map(([name, value]) => ({ name, value, key: valueKey(value) })));
}

/** What `criteria` says of those names. */
export function criteriaFor(names: readonly string[], { list }: MetadataCriteria): MetadataCriteria {
  return sorted(list.filter(({ name }) => names.includes(name)));
}

function sorted(unsorted: readonly Criterion[]): MetadataCriteria {
  const list = unsorted.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  return { list, names: namesKey(list.map(({ name }) => name)), key: pairsKey(list) };
}

/** @param names sorted */
export function namesKey(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join();
}

/** @param list sorted by name */
export function pairsKey(list: readonly Pick<Criterion, 'name' | 'key'>[]): string {
  return list.map(({ name, key }) => `${JSON.stringify(name)}:${key}`).join();
}

/** @param over takes the place of what `criteria` says of the same key */
export function mergeCriteria(
  criteria: MetadataCriteria | undefined,
  over: MetadataCriteria | undefined,
): MetadataCriteria | undefined {
  if (criteria === undefined || over === undefined) return over ?? criteria;
  const kept = criteria.list.filter(({ name }) => !over.list.some((other) => other.name === name));
  return sorted([...kept, ...over.list]);
}

/** Equal for values that are equal, whatever the order of the fields in them. */
export function valueKey(value: MetadataValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(valueKey).join()}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, inner]) => `${JSON.stringify(name)}:${valueKey(inner as MetadataValue)}`).join()}}`;
}
