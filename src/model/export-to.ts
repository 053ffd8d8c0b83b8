/** Istio's `exportTo`: the namespaces that see a resource. Only "all of them", the default, is supported. */
import { type Field, unsupportedIf } from './decode/object.ts';

export const exportTo: Field<never, 'dropped'> = unsupportedIf('closes', (value) => !isEverywhere(value));

function isEverywhere(value: unknown): boolean {
  return Array.isArray(value) && (value.length === 0 || (value.length === 1 && value[0] === '*'));
}
