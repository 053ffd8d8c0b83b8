/** `overload_manager` of a bootstrap: which pressures are watched, and what is done about them. */
import type {
  OverloadAction,
  OverloadManager,
  Trigger,
} from '#xds/gen/envoy/config/overload/v3/overload_pb.js';
import { DownstreamConnectionsConfigSchema } from '#xds/gen/envoy/extensions/resource_monitors/downstream_connections/v3/downstream_connections_pb.js';
import { FixedHeapConfigSchema } from '#xds/gen/envoy/extensions/resource_monitors/fixed_heap/v3/fixed_heap_pb.js';
import { type Findings, typeNameOf } from '../findings.ts';
import type { OverloadState } from './state.ts';

export interface MemoryMonitor {
  readonly name: string;
  readonly maxBytes: number;
}

export interface ActionSettings {
  /** Envoy's name, such as `envoy.overload_actions.stop_accepting_requests`. */
  readonly name: string;
  readonly effect: keyof OverloadState;
  readonly triggers: readonly { readonly monitor: string; readonly threshold: number }[];
}

export interface OverloadSettings {
  readonly refreshMs: number;
  readonly memory: readonly MemoryMonitor[];
  /** Connections of all listeners together; undefined: no limit. */
  readonly maxConnections: number | undefined;
  readonly actions: readonly ActionSettings[];
}

const REFRESH_MS = 1000;

/** Without configuration: requests are refused before the memory there is runs out. */
export function defaultOverload(memoryBytes: number): OverloadSettings {
  const monitor = 'heddle.memory';
  return {
    refreshMs: REFRESH_MS,
    memory: [{ name: monitor, maxBytes: memoryBytes }],
    maxConnections: undefined,
    actions: [
      {
        name: 'envoy.overload_actions.disable_http_keepalive',
        effect: 'disablesKeepAlive',
        triggers: [{ monitor, threshold: 0.9 }],
      },
      {
        name: 'envoy.overload_actions.stop_accepting_requests',
        effect: 'stopsRequests',
        triggers: [{ monitor, threshold: 0.95 }],
      },
      {
        name: 'envoy.overload_actions.reject_incoming_connections',
        effect: 'rejectsConnections',
        triggers: [{ monitor, threshold: 0.98 }],
      },
    ],
  };
}

const effects: Readonly<Record<string, keyof OverloadState>> = {
  'envoy.overload_actions.stop_accepting_requests': 'stopsRequests',
  'envoy.overload_actions.disable_http_keepalive': 'disablesKeepAlive',
  'envoy.overload_actions.stop_accepting_connections': 'rejectsConnections',
  'envoy.overload_actions.reject_incoming_connections': 'rejectsConnections',
};

export function readOverload(manager: OverloadManager, path: string, findings: Findings): OverloadSettings {
  findings.refuse(`${path}.buffer_factory_config`, manager.bufferFactoryConfig !== undefined);
  findings.refuse(`${path}.loadshed_points`, manager.loadshedPoints.length > 0);
  const memory: MemoryMonitor[] = [];
  let maxConnections: number | undefined;
  manager.resourceMonitors.forEach((monitor, i) => {
    const at = `${path}.resource_monitors[${i}].typed_config`;
    const any = monitor.configType.value;
    switch (typeNameOf(any)) {
      case FixedHeapConfigSchema.typeName: {
        const maxBytes = Number(findings.unpack(at, any, FixedHeapConfigSchema)?.maxHeapSizeBytes ?? 0n);
        if (maxBytes === 0) findings.error(`${at}.max_heap_size_bytes`, 'must be greater than 0');
        memory.push({ name: monitor.name, maxBytes });
        return;
      }
      case DownstreamConnectionsConfigSchema.typeName: {
        const config = findings.unpack(at, any, DownstreamConnectionsConfigSchema);
        maxConnections = Number(config?.maxActiveDownstreamConnections ?? 0n);
        if (maxConnections <= 0)
          findings.error(`${at}.max_active_downstream_connections`, 'must be greater than 0');
        return;
      }
      default:
        findings.error(at, `resource monitor ${any?.typeUrl ?? monitor.name} is not supported`);
    }
  });
  const known = new Set(memory.map(({ name }) => name));
  const actions = manager.actions.flatMap((action, i) => {
    const read = readAction(action, `${path}.actions[${i}]`, known, findings);
    return read === undefined ? [] : [read];
  });
  const refreshMs = findings.durationMs(`${path}.refresh_interval`, manager.refreshInterval) ?? REFRESH_MS;
  return { refreshMs, memory, maxConnections, actions };
}

function readAction(
  action: OverloadAction,
  path: string,
  monitors: ReadonlySet<string>,
  findings: Findings,
): ActionSettings | undefined {
  const effect = effects[action.name];
  if (effect === undefined) {
    findings.error(
      `${path}.name`,
      `"${action.name}" is not supported; there are: ${Object.keys(effects).join(', ')}`,
    );
    return undefined;
  }
  findings.refuse(`${path}.typed_config`, action.typedConfig !== undefined);
  if (action.triggers.length === 0) findings.error(`${path}.triggers`, 'needs at least one');
  const triggers = action.triggers.map((trigger, i) => {
    const at = `${path}.triggers[${i}]`;
    if (!monitors.has(trigger.name)) {
      findings.error(`${at}.name`, `"${trigger.name}" is no resource monitor that tells a pressure`);
    }
    return { monitor: trigger.name, threshold: thresholdOf(trigger, at, findings) };
  });
  return { name: action.name, effect, triggers };
}

function thresholdOf({ triggerOneof: trigger }: Trigger, path: string, findings: Findings): number {
  if (trigger.case === undefined) {
    findings.error(path, 'has neither threshold nor scaled');
    return 1;
  }
  if (trigger.case === 'scaled') {
    findings.error(`${path}.scaled`, 'is not supported for actions that are on or off: write threshold');
    return 1;
  }
  const { value } = trigger.value;
  if (value < 0 || value > 1) findings.error(`${path}.threshold.value`, 'must be from 0 to 1');
  return value;
}
