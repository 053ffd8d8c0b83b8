/** The probes of a container as the runner does them: ports by number, times in milliseconds. */
import { didYouMean } from '#core/did-you-mean.ts';
import type { Container } from '#model/container.ts';
import type { Path } from '#model/decode/decoder.ts';
import type { Hook, Probe, ProbeAction } from '#model/probe.ts';
import type { HookPlan, PlannedAction, ProbePlan, ProbePlans } from '../probe/probe-plan.ts';
import type { ReportAt } from './variable-plan.ts';

/** What is done when a container has started, and before it ends. */
export interface LifecyclePlan {
  readonly postStart?: HookPlan;
  readonly preStop?: HookPlan;
}

/** @param path of the container */
export function planProbes({ probes, ports }: Container, path: Path, report: ReportAt): ProbePlans {
  const portNamed = portsByName(ports, report);
  const planned = (probe: Probe | undefined, field: string): ProbePlan | undefined => {
    if (probe === undefined) return undefined;
    const { action, terminationGracePeriodSeconds: grace } = probe;
    return {
      action: plannedAction(action, (name) => portNamed(name, [...path, field, action.kind, 'port'])),
      initialDelayMs: probe.initialDelaySeconds * 1000,
      periodMs: probe.periodSeconds * 1000,
      timeoutMs: probe.timeoutSeconds * 1000,
      successThreshold: probe.successThreshold,
      failureThreshold: probe.failureThreshold,
      ...(grace !== undefined && { graceMs: grace * 1000 }),
    };
  };
  const startup = planned(probes.startup, 'startupProbe');
  const liveness = planned(probes.liveness, 'livenessProbe');
  const readiness = planned(probes.readiness, 'readinessProbe');
  return {
    ...(startup !== undefined && { startup }),
    ...(liveness !== undefined && { liveness }),
    ...(readiness !== undefined && { readiness }),
  };
}

function plannedAction(action: ProbeAction, portNamed: (name: string) => number): PlannedAction {
  if (action.kind === 'exec' || action.kind === 'grpc') return action;
  const { port } = action;
  return { ...action, port: typeof port === 'number' ? port : portNamed(port) };
}

/** @param path of the container */
export function planLifecycle({ lifecycle, ports }: Container, path: Path, report: ReportAt): LifecyclePlan {
  const portNamed = portsByName(ports, report);
  const planned = (hook: Hook | undefined, field: string): HookPlan | undefined => {
    if (hook === undefined || hook.kind === 'exec') return hook;
    if (hook.kind === 'sleep') return { kind: 'sleep', ms: hook.seconds * 1000 };
    const { port } = hook;
    const at = [...path, 'lifecycle', field, 'httpGet', 'port'];
    return { ...hook, port: typeof port === 'number' ? port : portNamed(port, at) };
  };
  const postStart = planned(lifecycle.postStart, 'postStart');
  const preStop = planned(lifecycle.preStop, 'preStop');
  return { ...(postStart !== undefined && { postStart }), ...(preStop !== undefined && { preStop }) };
}

function portsByName(ports: Container['ports'], report: ReportAt): (name: string, at: Path) => number {
  return (name, at) => {
    const found = ports.find((port) => port.name === name);
    if (found !== undefined) return found.containerPort;
    const names = ports.flatMap((port) => (port.name === undefined ? [] : [port.name]));
    const known =
      names.length === 0 ? 'none of its ports has a name: write the number' : `one of ${names.join(', ')}`;
    report(at, `the container has no port called ${JSON.stringify(name)}`, didYouMean(name, names) ?? known);
    return 0;
  };
}
