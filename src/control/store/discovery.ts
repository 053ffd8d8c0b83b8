/** Which namespaces are of the mesh, where its `discoverySelectors` name some (Istio). */
import type { Kind, Resource } from '#model/kinds.ts';
import { selectsNamespace } from '#model/mesh-config.ts';
import type { MeshSettings } from '#model/mesh-settings.ts';
import type { Labels } from '#model/metadata.ts';

/** Kubernetes puts it on every namespace. */
const nameLabel = 'kubernetes.io/metadata.name';

const notOfNamespaces: ReadonlySet<Kind> = new Set(['Namespace', 'LocalMesh']);

/** Resources of other namespaces are as if nobody had written them; the root namespace is always of the mesh. */
export function discovered(
  resources: readonly Resource[],
  { discoverySelectors, rootNamespace }: MeshSettings,
): readonly Resource[] {
  if (discoverySelectors.length === 0) return resources;
  const labels = new Map<string, Labels>(
    resources
      .filter(({ kind }) => kind === 'Namespace')
      .map(({ metadata }) => [metadata.name, metadata.labels]),
  );
  const isChosen = (name: string): boolean => {
    const own = { ...labels.get(name), [nameLabel]: name };
    return name === rootNamespace || discoverySelectors.some((selector) => selectsNamespace(selector, own));
  };
  return resources.filter(
    ({ kind, metadata }) => notOfNamespaces.has(kind) || isChosen(metadata.namespace ?? ''),
  );
}
