/** Kubernetes `ServiceAccount` (v1): the name that a workload's certificate carries. */
import { meaningless } from './decode/object.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';

export type ServiceAccount = ResourceBase<'ServiceAccount', undefined>;

export const serviceAccountKind: KindDefinition<ServiceAccount> = {
  kind: 'ServiceAccount',
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  fields: {
    secrets: meaningless(),
    imagePullSecrets: meaningless(),
    automountServiceAccountToken: meaningless(),
  },
};
