/** Kubernetes `Namespace` (v1): a name, and labels that say whether its workloads are in the mesh. */
import type { Decoder } from './decode/decoder.ts';
import { defaulted, meaningless, object } from './decode/object.ts';
import type { KindDefinition } from './kind.ts';
import type { ResourceBase } from './metadata.ts';

export type NamespaceSpec = Readonly<Record<never, never>>;

export type Namespace = ResourceBase<'Namespace', NamespaceSpec>;

const spec: Decoder<NamespaceSpec> = object({ finalizers: meaningless('Nothing is cleared away.') });

export const namespaceKind: KindDefinition<Namespace> = {
  kind: 'Namespace',
  group: '',
  versions: ['v1'],
  scope: 'mesh',
  about:
    'A name, and labels. Which workloads have a sidecar is not said by its labels, but by `workloads` of [LocalMesh](local-mesh.md); `discoverySelectors` of MeshConfig and `heddle analyze` look at them.',
  fields: { spec: defaulted(spec, {}), status: meaningless() },
};
