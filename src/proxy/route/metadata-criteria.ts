/** What a route, or a request, asks of the metadata of endpoints: values below `envoy.lb`, by the names of its keys. */
import type { MetadataValue } from '#observe/access-record.ts';
import type { Metadata } from '#xds/gen/envoy/config/core/v3/base_pb.js';

export interface Criterion {
  readonly name: string;
  /** Of the value; see {@link valueKey}. */
  readonly key: string;
  readonly value: MetadataValue;
}

/** Sorted by name, each once. */
export type MetadataCriteria = readonly Criterion[];

type Fields = Readonly<Record<string, MetadataValue>>;

/** The namespace that balancing reads, of endpoints, routes and requests. */
export const BALANCING_METADATA = 'envoy.lb';

/** Undefined where nothing is said. */
export function compileCriteria(metadata: Metadata | undefined): MetadataCriteria | undefined {
  const fields = metadata?.filterMetadata[BALANCING_METADATA];
  return fields === undefined ? undefined : criteriaOf(fields as Fields);
}

export function criteriaOf(fields: Fields): MetadataCriteria {
  return Object.entries(fields)
    .map(([name, value]) => ({ name, value, key: valueKey(value) }))
    .sort(byName);
}

/** @param over takes the place of what `criteria` says of the same key */
export function mergeCriteria(
  criteria: MetadataCriteria | undefined,
  over: MetadataCriteria | undefined,
): MetadataCriteria | undefined {
  if (criteria === undefined || over === undefined) return over ?? criteria;
  return [...criteria.filter(({ name }) => !over.some((other) => other.name === name)), ...over].sort(byName);
}

function byName(a: Criterion, b: Criterion): number {
  return a.name < b.name ? -1 : 1;
}

/** Equal for values that are equal, whatever the order of the fields in them. */
export function valueKey(value: MetadataValue): string {
  if (value === null || typeof value !== 'object') return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(valueKey).join()}]`;
  const fields = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return `{${fields.map(([name, inner]) => `${JSON.stringify(name)}:${valueKey(inner as MetadataValue)}`).join()}}`;
}
