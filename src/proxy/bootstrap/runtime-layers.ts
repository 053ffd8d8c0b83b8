/** Keys of the runtime that a bootstrap sets: those of static layers. */
import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type { Bootstrap } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';
import { isFraction } from '../runtime/values.ts';
import type { Report } from './settings.ts';

/** Envoy's own keys, of which no route table makes use. */
const ofEnvoy =
  /^(?:envoy|re2|overload|upstream|health_check|outlier_detection|circuit_breakers|http|tcp|tracing|ssl|fault|ratelimit|rebalance)\./;
/** Those that connections are limited by. */
const limits =
  /^(?:overload\.global_downstream_max_connections|envoy\.resource_limits\.listener\..+\.connection_limit)$/;

interface RuntimeKey {
  readonly value: JsonValue;
  readonly path: string;
}

/** Later layers win. Nested objects are keys with dots, unless they are fractions (Envoy, "Runtime"). */
export function readRuntimeKeys({ layeredRuntime }: Bootstrap): Map<string, RuntimeKey> {
  const keys = new Map<string, RuntimeKey>();
  const collect = (object: JsonObject, prefix: string, at: string): void => {
    for (const [name, value] of Object.entries(object)) {
      const key = prefix === '' ? name : `${prefix}.${name}`;
      const path = /^\w+$/.test(name) ? `${at}.${name}` : `${at}["${name}"]`;
      const isNested = typeof value === 'object' && value !== null && !Array.isArray(value);
      if (isNested && !isFraction(value)) collect(value, key, path);
      else keys.set(key, { value, path });
    }
  };
  layeredRuntime?.layers.forEach(({ layerSpecifier: layer }, i) => {
    if (layer.case === 'staticLayer') {
      collect(layer.value, '', `layered_runtime.layers[${i}].static_layer`);
    }
  });
  return keys;
}

/** What route tables may name by their keys; keys of Envoy's that nothing reads are warned of. */
export function readRuntimeValues(bootstrap: Bootstrap, report: Report): Record<string, JsonValue> {
  const values: Record<string, JsonValue> = {};
  for (const [key, { value, path }] of readRuntimeKeys(bootstrap)) {
    values[key] = value;
    if (ofEnvoy.test(key) && !limits.test(key))
      report(path, 'has no effect: this runtime key is not supported', 'warning');
  }
  return values;
}
