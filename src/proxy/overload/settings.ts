/** `overload_manager` of a bootstrap: which pressures are watched, and what is done about them. */
import type {
  LoadShedPoint,
  OverloadAction,
  OverloadManager,
  ResourceMonitor,
  Trigger,
} from '#xds/gen/envoy/config/overload/v3/overload_pb.js';
import { CgroupMemoryConfigSchema } from '#xds/gen/envoy/extensions/resource_monitors/cgroup_memory/v3/cgroup_memory_pb.js';
import { DownstreamConnectionsConfigSchema } from '#xds/gen/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.js';
import { FixedHeapConfigSchema } from '#xds/gen/envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap_pb.js';
import { InjectedResourceConfigSchema } from '#xds/gen/envoy/extensions/resource_monitors/injected_resource/v3/injected_resource_pb.js';
import { type Findings, typeNameOf } from '../findings.ts';
import type { OverloadParts } from './state.ts';
import type { TimerMinimum } from './timer-scales.ts';
import { readTimerMinimums, reducesTimeouts, refuseSharedTimers } from './timer-settings.ts';

/** What is compared with what. */
export type Resource =
  /** Memory of the process. */
  | { readonly kind: 'memory'; readonly maxBytes: number }
  /** Memory of its control group; 0: the group's own limit. */
  | { readonly kind: 'cgroup'; readonly maxBytes: number }
  /** A number from 0 to 1 in a file. */
  | { readonly kind: 'file'; readonly path: string };

export interface MonitorSettings {
  readonly name: string;
  readonly resource: Resource;
}

export interface TriggerSettings {
  readonly monitor: string;
  /** Pressure above which a part of the work is refused; of a threshold the same as `full`. */
  readonly from: number;
  /** Pressure from which all of it is. */
  readonly full: number;
}

/** What becomes of an action: a part of some work is refused, or memory is given back. */
export type Effect = keyof OverloadParts | 'shrinksHeap' | 'reducesTimeouts' | 'resetsStreams';

export interface ActionSettings {
  /** Envoy's name, such as `envoy.overload_actions.stop_accepting_requests`. */
  readonly name: string;
  readonly effect: Effect;
  readonly triggers: readonly TriggerSettings[];
  /** Nothing is done before all of it is due. */
  readonly whole: boolean;
  /** Shortened where it reduces time-outs. */
  readonly timers: readonly TimerMinimum[];
  /** Of load shedding, which counts whom it has shed. */
  readonly isPoint: boolean;
}

export interface OverloadSettings {
  readonly refreshMs: number;
  readonly monitors: readonly MonitorSettings[];
  /** Connections of all listeners together; undefined: no limit. */
  readonly maxConnections: number | undefined;
  /** Load shed points too. */
  readonly actions: readonly ActionSettings[];
  /** Streams that hold two to this power of bytes are known by it; undefined: none is. */
  readonly accountPower: number | undefined;
}

const REFRESH_MS = 1000;

/** Without configuration: requests are refused before the memory there is runs out. */
export function defaultOverload(memoryBytes: number): OverloadSettings {
  const monitor = 'heddle.memory';
  const action = (name: string, effect: Effect, threshold: number): ActionSettings => ({
    name: `envoy.overload_actions.${name}`,
    effect,
    triggers: [{ monitor, from: threshold, full: threshold }],
    whole: false,
    timers: [],
    isPoint: false,
  });
  return {
    refreshMs: REFRESH_MS,
    monitors: [{ name: monitor, resource: { kind: 'memory', maxBytes: memoryBytes } }],
    maxConnections: undefined,
    actions: [
      action('disable_http_keepalive', 'disablesKeepAlive', 0.9),
      action('stop_accepting_requests', 'stopsRequests', 0.95),
      action('reject_incoming_connections', 'rejectsConnections', 0.98),
    ],
    accountPower: undefined,
  };
}

const effects: Readonly<Record<string, Effect>> = {
  'envoy.overload_actions.stop_accepting_requests': 'stopsRequests',
  'envoy.overload_actions.disable_http_keepalive': 'disablesKeepAlive',
  'envoy.overload_actions.stop_accepting_connections': 'rejectsConnections',
  'envoy.overload_actions.reject_incoming_connections': 'rejectsConnections',
  'envoy.overload_actions.shrink_heap': 'shrinksHeap',
  'envoy.overload_actions.reduce_timeouts': 'reducesTimeouts',
  'envoy.overload_actions.reset_high_memory_stream': 'resetsStreams',
};
/** Those of them that do nothing in part. */
const wholeActions: ReadonlySet<string> = new Set([
  'envoy.overload_actions.stop_accepting_connections',
  'envoy.overload_actions.shrink_heap',
]);

const points: Readonly<Record<string, Effect>> = {
  'envoy.load_shed_points.tcp_listener_accept': 'shedsConnections',
  'envoy.load_shed_points.hcm_ondata_creating_codec': 'shedsCodecs',
  'envoy.load_shed_points.http_connection_manager_decode_headers': 'shedsRequests',
  'envoy.load_shed_points.http1_server_abort_dispatch': 'abortsHttp1',
  'envoy.load_shed_points.http2_server_go_away_on_dispatch': 'startsDrain',
};

export function readOverload(manager: OverloadManager, path: string, findings: Findings): OverloadSettings {
  const accountPower = manager.bufferFactoryConfig?.minimumAccountToTrackPowerOfTwo;
  if (accountPower !== undefined && (accountPower < 10 || accountPower > 56))
    findings.error(
      `${path}.buffer_factory_config.minimum_account_to_track_power_of_two`,
      'must be from 10 to 56',
    );
  const monitors: MonitorSettings[] = [];
  const names = new Set<string>();
  let maxConnections: number | undefined;
  manager.resourceMonitors.forEach((monitor, i) => {
    const at = `${path}.resource_monitors[${i}]`;
    if (names.has(monitor.name)) findings.error(`${at}.name`, `"${monitor.name}" stands there twice`);
    names.add(monitor.name);
    if (typeNameOf(monitor.configType.value) === DownstreamConnectionsConfigSchema.typeName) {
      maxConnections = readMaxConnections(monitor, `${at}.typed_config`, findings);
      return;
    }
    const resource = readResource(monitor, `${at}.typed_config`, findings);
    if (resource !== undefined) monitors.push({ name: monitor.name, resource });
  });
  const known = new Set(monitors.map(({ name }) => name));
  const read = (
    list: readonly (OverloadAction | LoadShedPoint)[],
    field: string,
    kinds: Readonly<Record<string, Effect>>,
  ): ActionSettings[] =>
    list.flatMap((one, i) => readAction(one, `${path}.${field}[${i}]`, kinds, known, findings) ?? []);
  const named = read(manager.actions, 'actions', effects);
  refuseSharedTimers(
    named.map(({ timers }, i) => ({ path: `${path}.actions[${i}]`, timers })),
    findings,
  );
  if (accountPower === undefined && named.some(({ effect }) => effect === 'resetsStreams'))
    findings.error(`${path}.buffer_factory_config`, 'is missing, for reset_high_memory_stream');
  const actions = [...named, ...read(manager.loadshedPoints, 'loadshed_points', points)];
  const refreshMs = findings.durationMs(`${path}.refresh_interval`, manager.refreshInterval) ?? REFRESH_MS;
  return { refreshMs, monitors, maxConnections, actions, accountPower };
}

function readMaxConnections({ configType }: ResourceMonitor, at: string, findings: Findings): number {
  const config = findings.unpack(at, configType.value, DownstreamConnectionsConfigSchema);
  const most = Number(config?.maxActiveDownstreamConnections ?? 0n);
  if (most <= 0) findings.error(`${at}.max_active_downstream_connections`, 'must be greater than 0');
  return most;
}

function readResource(monitor: ResourceMonitor, at: string, findings: Findings): Resource | undefined {
  const any = monitor.configType.value;
  switch (typeNameOf(any)) {
    case FixedHeapConfigSchema.typeName: {
      const maxBytes = Number(findings.unpack(at, any, FixedHeapConfigSchema)?.maxHeapSizeBytes ?? 0n);
      if (maxBytes === 0) findings.error(`${at}.max_heap_size_bytes`, 'must be greater than 0');
      return { kind: 'memory', maxBytes };
    }
    case CgroupMemoryConfigSchema.typeName: {
      const maxBytes = Number(findings.unpack(at, any, CgroupMemoryConfigSchema)?.maxMemoryBytes ?? 0n);
      return { kind: 'cgroup', maxBytes };
    }
    case InjectedResourceConfigSchema.typeName: {
      const file = findings.unpack(at, any, InjectedResourceConfigSchema)?.filename ?? '';
      if (file === '') findings.error(`${at}.filename`, 'is missing');
      return { kind: 'file', path: file };
    }
    default:
      findings.error(at, `resource monitor ${any?.typeUrl ?? monitor.name} is not supported`);
      return undefined;
  }
}

function readAction(
  action: OverloadAction | LoadShedPoint,
  path: string,
  kinds: Readonly<Record<string, Effect>>,
  monitors: ReadonlySet<string>,
  findings: Findings,
): ActionSettings | undefined {
  const ofTimers = 'typedConfig' in action && reducesTimeouts(action) ? action : undefined;
  const effect = ofTimers === undefined ? kinds[action.name] : 'reducesTimeouts';
  if (effect === undefined) {
    findings.error(
      `${path}.name`,
      `"${action.name}" is not supported; there are: ${Object.keys(kinds).join(', ')}`,
    );
    return undefined;
  }
  if (ofTimers === undefined && 'typedConfig' in action)
    findings.refuse(`${path}.typed_config`, action.typedConfig !== undefined);
  if (action.triggers.length === 0) findings.error(`${path}.triggers`, 'needs at least one');
  const triggers = action.triggers.map((trigger, i) => {
    const at = `${path}.triggers[${i}]`;
    if (!monitors.has(trigger.name))
      findings.error(`${at}.name`, `"${trigger.name}" is no resource monitor that tells a pressure`);
    return { monitor: trigger.name, ...boundsOf(trigger, at, findings) };
  });
  return {
    name: action.name,
    effect,
    triggers,
    whole: wholeActions.has(action.name),
    timers: ofTimers === undefined ? [] : readTimerMinimums(ofTimers, path, findings),
    isPoint: kinds === points,
  };
}

function boundsOf(
  { triggerOneof: trigger }: Trigger,
  path: string,
  findings: Findings,
): { readonly from: number; readonly full: number } {
  const part = (value: number, field: string): void => {
    if (!(value >= 0 && value <= 1)) findings.error(`${path}.${field}`, 'must be from 0 to 1');
  };
  if (trigger.case === undefined) {
    findings.error(path, 'has neither threshold nor scaled');
    return { from: 1, full: 1 };
  }
  if (trigger.case === 'threshold') {
    const { value } = trigger.value;
    part(value, 'threshold.value');
    return { from: value, full: value };
  }
  const { scalingThreshold: from, saturationThreshold: full } = trigger.value;
  part(from, 'scaled.scaling_threshold');
  part(full, 'scaled.saturation_threshold');
  if (from >= full)
    findings.error(`${path}.scaled`, 'scaling_threshold must be less than saturation_threshold');
  return { from, full };
}
