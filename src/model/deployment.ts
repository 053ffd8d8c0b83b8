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
  type: defaulted<DeploymentSpec['strategy']['type']>(oneOf(['RollingUpdate', 'Recreate']), 'RollingUpdate'),
  // One by one, and never one too few.
  rollingUpdate: meaningless(),
});

const spec: Decoder<DeploymentSpec> = object(
  {
    ...replicatedFields,
    minReadySeconds: meaningless(),
    paused: meaningless(),
    progressDeadlineSeconds: meaningless(),
    revisionHistoryLimit: meaningless(),
    strategy: defaulted<DeploymentSpec['strategy']>(strategy, { type: 'RollingUpdate' }),
  },
  checkSelector,
);

export const deploymentKind: KindDefinition<Deployment> = {
  kind: 'Deployment',
  group: 'apps',
  versions: ['v1'],
  scope: 'namespace',
  fields: { spec: required(spec), status: meaningless() },
};
