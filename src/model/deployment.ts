/** Kubernetes `Deployment` (apps/v1): how many instances of which containers. */
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object, required } from './decode/object.ts';
import { oneOf } from './decode/scalar.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';
import { checkSelector, type Replicated, replicatedFields } from './replicated.ts';

export interface DeploymentSpec extends Replicated {
  /** How instances are replaced: one by one, or all of them when the old ones are gone (`Recreate`). */
  readonly strategy: { readonly type: 'RollingUpdate' | 'Recreate' };
}

export type Deployment = ResourceBase<'Deployment', DeploymentSpec>;

const strategy = object({
  type: defaulted<DeploymentSpec['strategy']['type']>(
    oneOf(['RollingUpdate', 'Recreate']),
    'RollingUpdate',
    'One by one, a new one before an old one goes; or all of them, once the old ones are gone.',
  ),
  rollingUpdate: meaningless('Instances are replaced one by one, and there is never one too few.'),
});

const spec: Decoder<DeploymentSpec> = object(
  {
    ...replicatedFields,
    minReadySeconds: meaningless('An instance counts once it is ready.'),
    paused: meaningless('What is written holds at once.'),
    progressDeadlineSeconds: meaningless('It is tried for as long as it takes.'),
    revisionHistoryLimit: meaningless('There is no history but that of the files.'),
    strategy: defaulted<DeploymentSpec['strategy']>(
      strategy,
      { type: 'RollingUpdate' },
      'How instances are replaced when their template changes.',
    ),
  },
  checkSelector,
);

export const deploymentKind: KindDefinition<Deployment> = {
  kind: 'Deployment',
  group: 'apps',
  versions: ['v1'],
  scope: 'namespace',
  about: 'How many instances of which containers `heddle up` runs ([workloads.md](../workloads.md)).',
  fields: { spec: required(spec), status: meaningless() },
};
