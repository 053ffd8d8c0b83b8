/** Kubernetes `ServiceAccount` (v1): the name that a workload's certificate carries. */
import { meaningless } from './decode/object.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';

export type ServiceAccount = ResourceBase<'ServiceAccount', undefined>;

const noToken = 'The identity of an application is with its sidecar.';

export const serviceAccountKind: KindDefinition<ServiceAccount> = {
  kind: 'ServiceAccount',
  group: '',
  versions: ['v1'],
  scope: 'namespace',
  about:
    "The name that a workload's certificate carries: `spiffe://cluster.local/ns/NAMESPACE/sa/NAME`. One that nobody writes is there too.",
  fields: {
    secrets: meaningless(noToken),
    imagePullSecrets: meaningless('There are no images to be pulled: `LocalMesh` says what runs.'),
    automountServiceAccountToken: meaningless(noToken),
  },
};
