/** `ScaleTimersOverloadActionConfig`: which time-outs an action shortens. */
import {
  type OverloadAction,
  type ScaleTimersOverloadActionConfig_ScaleTimer,
  ScaleTimersOverloadActionConfig_TimerType,
  ScaleTimersOverloadActionConfigSchema,
} from '#xds/gen/envoy/config/overload/v3/overload_pb.js';
import { type Findings, typeNameOf } from '../findings.ts';
import { scaledTimers, type TimerMinimum } from './timer-scales.ts';

const REDUCE_TIMEOUTS = 'envoy.overload_actions.reduce_timeouts';
/** Names of one's own do not begin so. */
const OWN_PREFIX = 'envoy.overload_actions.';

/** Whether it shortens time-outs: by its name, or by its type where the name is one's own. */
export function reducesTimeouts({ name, typedConfig }: OverloadAction): boolean {
  if (name.startsWith(OWN_PREFIX)) return name === REDUCE_TIMEOUTS;
  return typeNameOf(typedConfig) === ScaleTimersOverloadActionConfigSchema.typeName;
}

/** @param path of the action */
export function readTimerMinimums(
  { typedConfig }: OverloadAction,
  path: string,
  findings: Findings,
): readonly TimerMinimum[] {
  const at = `${path}.typed_config`;
  if (typedConfig === undefined) {
    findings.error(at, `is missing; write a ${ScaleTimersOverloadActionConfigSchema.typeName}`);
    return [];
  }
  const config = findings.unpack(at, typedConfig, ScaleTimersOverloadActionConfigSchema);
  if (config === undefined) return [];
  const { timerScaleFactors } = config;
  if (timerScaleFactors.length === 0) findings.error(`${at}.timer_scale_factors`, 'needs at least one');
  return timerScaleFactors.flatMap(
    (factor, i) => readMinimum(factor, `${at}.timer_scale_factors[${i}]`, findings) ?? [],
  );
}

function readMinimum(
  { timer: type, overloadAdjust }: ScaleTimersOverloadActionConfig_ScaleTimer,
  path: string,
  findings: Findings,
): TimerMinimum | undefined {
  const name = ScaleTimersOverloadActionConfig_TimerType[type] as keyof typeof scaledTimers | undefined;
  const timer = name === undefined ? undefined : scaledTimers[name];
  if (timer === undefined)
    findings.error(`${path}.timer`, `must be one of ${Object.keys(scaledTimers).join(', ')}`);
  if (overloadAdjust.case === undefined) findings.error(path, 'has neither min_timeout nor min_scale');
  let leastMs: number | undefined;
  let leastPart = 0;
  if (overloadAdjust.case === 'minTimeout')
    leastMs = findings.durationMs(`${path}.min_timeout`, overloadAdjust.value);
  if (overloadAdjust.case === 'minScale') {
    const { value } = overloadAdjust.value;
    if (!(value >= 0 && value <= 100)) findings.error(`${path}.min_scale.value`, 'must be from 0 to 100');
    leastPart = value / 100;
  }
  return timer && { timer, leastMs, leastPart };
}

/** A time-out is of one action. @param actions with the paths they stand at */
export function refuseSharedTimers(
  actions: readonly { readonly path: string; readonly timers: readonly TimerMinimum[] }[],
  findings: Findings,
): void {
  const seen = new Set<string>();
  for (const { path, timers } of actions)
    for (const { timer } of timers) {
      const name = Object.entries(scaledTimers).find(([, kind]) => kind === timer)![0];
      if (seen.has(timer)) findings.error(`${path}.typed_config`, `${name} stands there twice`);
      seen.add(timer);
    }
}
