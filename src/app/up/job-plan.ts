/** How often, and how many at a time, the instances of a Job are run to their end. */
import type { Job } from '#model/job.ts';

export interface JobPlan {
  /** Absent: one, and none is started any more once one has ended well. */
  readonly completions?: number;
  readonly parallelism: number;
  readonly backoffLimit: number;
  /** Absent: no limit. */
  readonly deadlineMs?: number;
  /** Whether each has a number of its own, below `completions`. */
  readonly indexed: boolean;
  /** Whether a container that fails is started again, in the same instance. */
  readonly restarts: boolean;
}

export function planJob({ spec }: Job): JobPlan {
  const { completions, parallelism, backoffLimit, activeDeadlineSeconds: deadline } = spec;
  return {
    ...(completions !== undefined && { completions }),
    parallelism,
    backoffLimit,
    ...(deadline !== undefined && { deadlineMs: deadline * 1_000 }),
    indexed: spec.completionMode === 'Indexed',
    restarts: spec.template.spec.restartPolicy === 'OnFailure',
  };
}
