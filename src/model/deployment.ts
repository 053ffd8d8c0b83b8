/** Kubernetes `Deployment` (apps/v1): how many instances of which containers. */
import type { Decoder } from './decode/decoder.ts';
import { meaningless, object, required } from './decode/object.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';
import { checkSelector, type Replicated, replicatedFields } from './replicated.ts';

export type Deployment = ResourceBase<'Deployment', Replicated>;

const spec: Decoder<Replicated> = object(
  {
    ...replicatedFields,
    // How a roll-out proceeds; here a changed deployment replaces its processes.
    minReadySeconds: meaningless(),
    paused: meaningless(),
    progressDeadlineSeconds: meaningless(),
    revisionHistoryLimit: meaningless(),
    strategy: meaningless(),
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
