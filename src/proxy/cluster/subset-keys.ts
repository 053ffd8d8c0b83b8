/** Which subsets an endpoint belongs to, by its metadata `envoy.lb`. */
import { type MetadataCriteria, pairsKey, valueKey } from '../route/metadata-criteria.ts';
import type { Endpoint } from './endpoint.ts';

type Value = Parameters<typeof valueKey>[0];
type Fields = Readonly<Record<string, Value>> | undefined;

interface Pair {
  readonly name: string;
  readonly key: string;
}

function fieldsOf(endpoint: Endpoint): Fields {
  return endpoint.metadata?.filterMetadata['envoy.lb'] as Fields;
}

/**
 * Keys of its subsets, as criteria have them; none where the endpoint lacks one of the keys.
 *
 * @param keys of a selector
 * @param listAsAny whether a list stands for each of its values
 */
export function subsetKeysOf(endpoint: Endpoint, keys: readonly string[], listAsAny: boolean): string[] {
  const fields = fieldsOf(endpoint);
  if (fields === undefined) return [];
  let all: Pair[][] = [];
  for (const name of keys) {
    const value = fields[name];
    if (value === undefined) return [];
    const values = listAsAny && Array.isArray(value) ? (value as readonly Value[]) : [value];
    const pairs = values.map((one) => ({ name, key: valueKey(one) }));
    // A list of nothing that comes first is passed over, as Envoy does.
    all =
      all.length === 0
        ? pairs.map((pair) => [pair])
        : all.flatMap((before) => pairs.map((pair) => [...before, pair]));
  }
  return all.map(pairsKey);
}

/** Whether its metadata is what the criteria ask for. */
export function meets(endpoint: Endpoint, { list }: MetadataCriteria, listAsAny: boolean): boolean {
  const fields = fieldsOf(endpoint);
  return list.every(({ name, key }) => {
    const value = fields?.[name];
    if (value === undefined) return false;
    if (listAsAny && Array.isArray(value))
      return (value as readonly Value[]).some((one) => valueKey(one) === key);
    return valueKey(value) === key;
  });
}
