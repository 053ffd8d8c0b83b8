/** Kubernetes `Job` (batch/v1): instances that run to their end, tried again until enough have ended well. */
import { type PodTemplate, podTemplateOf } from './container.ts';
import type { Decoder } from './decode/decoder.ts';
import {
  defaulted,
  meaningless,
  object,
  optional,
  refused,
  required,
  unsupportedIf,
} from './decode/object.ts';
import { integer, oneOf } from './decode/scalar.ts';
import type { KindDefinition } from './kind.ts';
import type { Labels, ResourceBase } from './metadata.ts';
import { MAX_REPLICAS } from './replicated.ts';

export interface JobSpec {
  /** How many have to end well; absent: one, and none is started any more once one has. */
  readonly completions?: number;
  /** How many run at a time. */
  readonly parallelism: number;
  /** How many failures there may be. */
  readonly backoffLimit: number;
  /** Of all of it, from its start; absent: no limit. */
  readonly activeDeadlineSeconds?: number;
  /** `Indexed`: each has a number below `completions`, and one of each has to end well. */
  readonly completionMode: 'NonIndexed' | 'Indexed';
  readonly template: PodTemplate;
}

export type Job = ResourceBase<'Job', JobSpec>;

/** Kubernetes' own, on the Pods of a Job; the older one has no prefix. */
export function jobLabels(job: string): Labels {
  return { 'batch.kubernetes.io/job-name': job, 'job-name': job };
}

const MAX_SECONDS = 2 ** 31 - 1;
const noPolicy = 'backoffLimit counts failures of all kinds';

const spec: Decoder<JobSpec> = object(
  {
    completions: optional(
      integer(0, 10_000),
      'How many have to end well; absent: one, and none is started any more once one has.',
    ),
    parallelism: defaulted(integer(1, MAX_REPLICAS), 1, 'How many run at a time.'),
    backoffLimit: defaulted(integer(0, MAX_SECONDS), 6, 'How many failures there may be.'),
    activeDeadlineSeconds: optional(
      integer(1, MAX_SECONDS),
      'Of all of it, from its start; absent: no limit.',
    ),
    completionMode: defaulted(
      oneOf(['NonIndexed', 'Indexed']),
      'NonIndexed',
      'With `Indexed` each has a number below `completions`, and one of each has to end well.',
    ),
    template: required(podTemplateOf(['OnFailure', 'Never']), 'What each instance is.'),
    podFailurePolicy: refused(noPolicy, 'Which failures count.'),
    backoffLimitPerIndex: refused(noPolicy, 'How many failures each index may have.'),
    maxFailedIndexes: refused(noPolicy, 'How many indexes may fail.'),
    successPolicy: refused('completions says how many have to end well', 'Which successes are enough.'),
    suspend: {
      presence: 'dropped',
      dropped: (path, report, value) => {
        if (value !== false) report.error(path, 'a Job that waits is not supported yet', 'remove the Job');
      },
      about: '`false` is what there is; `true` is an error.',
    },
    selector: meaningless('It selects its own Pods.'),
    manualSelector: meaningless('It selects its own Pods.'),
    podReplacementPolicy: meaningless('A failed one is replaced when it has ended.'),
    managedBy: unsupportedIf('adds', (value) => value !== 'kubernetes.io/job-controller', 'Heddle does.'),
    ttlSecondsAfterFinished: meaningless('What has ended takes up nothing but a line of the state.'),
  },
  ({ completionMode, completions }, path, report) => {
    if (completionMode !== 'Indexed' || completions !== undefined) return;
    report.error([...path, 'completionMode'], 'needs completions: so many indexes there are');
  },
);

export const jobKind: KindDefinition<Job> = {
  kind: 'Job',
  group: 'batch',
  versions: ['v1'],
  scope: 'namespace',
  about:
    'Instances that run to their end, tried again until enough have ended well ([workloads.md](../workloads.md)).',
  fields: { spec: required(spec), status: meaningless() },
};
