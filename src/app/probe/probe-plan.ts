/** Probes as they are done: ports by number, times in milliseconds. */
import type { ProbeAction } from '#model/probe.ts';

export type PlannedAction = ProbeAction<number>;

export interface ProbePlan {
  readonly action: PlannedAction;
  readonly initialDelayMs: number;
  readonly periodMs: number;
  readonly timeoutMs: number;
  readonly successThreshold: number;
  readonly failureThreshold: number;
  /** Absent: that of the workload. */
  readonly graceMs?: number;
}

export interface ProbePlans {
  readonly startup?: ProbePlan;
  readonly liveness?: ProbePlan;
  readonly readiness?: ProbePlan;
}

export type HookPlan =
  | Extract<PlannedAction, { kind: 'httpGet' | 'exec' }>
  | { readonly kind: 'sleep'; readonly ms: number };
