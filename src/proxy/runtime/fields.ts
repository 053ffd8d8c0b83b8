/** Fields of messages whose value the runtime may say instead, read each time it is asked for (Envoy, "Runtime"). */
import type {
  RuntimeDouble,
  RuntimeFeatureFlag,
  RuntimePercent,
  RuntimeUInt32,
} from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { noRuntime, type RuntimeValues } from './values.ts';

/** On where the field is absent. */
export function flagOf(
  field: RuntimeFeatureFlag | undefined,
  runtime: RuntimeValues = noRuntime,
): () => boolean {
  const byDefault = field?.defaultValue !== false;
  const key = field?.runtimeKey ?? '';
  return key === '' ? () => byDefault : () => runtime.boolean(key, byDefault);
}

export function doubleOf(
  field: RuntimeDouble | undefined,
  absent: number,
  runtime: RuntimeValues = noRuntime,
): () => number {
  const { defaultValue, runtimeKey = '' } = field ?? { defaultValue: absent };
  return runtimeKey === '' ? () => defaultValue : () => runtime.double(runtimeKey, defaultValue);
}

/** A whole number, 0 or more. */
export function countOf(
  field: RuntimeUInt32 | undefined,
  absent: number,
  runtime: RuntimeValues = noRuntime,
): () => number {
  const { defaultValue, runtimeKey = '' } = field ?? { defaultValue: absent };
  return runtimeKey === '' ? () => defaultValue : () => runtime.integer(runtimeKey, defaultValue);
}

/** 0 to 1; what the runtime says beyond that does not count. */
export function shareOf(
  field: RuntimePercent | undefined,
  absentPercent: number,
  runtime: RuntimeValues = noRuntime,
): () => number {
  const byDefault = field === undefined ? absentPercent : (field.defaultValue?.value ?? 0);
  const key = field?.runtimeKey ?? '';
  if (key === '') return () => byDefault / 100;
  return () => {
    const percent = runtime.double(key, byDefault);
    return (percent >= 0 && percent <= 100 ? percent : byDefault) / 100;
  };
}
