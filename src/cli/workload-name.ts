/** `[TYPE/]NAME[.NAMESPACE]`: how people name a workload or one of its instances, and which instance they mean. */
import { didYouMean } from '#core/did-you-mean.ts';
import { CliError } from './exit.ts';
import type { MeshInstance, MeshState } from './mesh-state.ts';

/** Types that may stand before the name; they all lead to the same. */
const types = /^(deploy|deployment|deployments|sts|statefulset|statefulsets|pod|pods|po)\//;

/**
 * The instances that `word` names: one instance, all of a workload, or all whose name begins with it up to a dash.
 * Throws a {@link CliError} with the nearest name when there is none.
 */
export function findInstances(mesh: MeshState, word: string): readonly MeshInstance[] {
  const all = [...mesh.gateways, ...mesh.instances];
  const [, name = '', namespace] = /^(.*?)(?:\.([a-z0-9-]+))?$/.exec(word.replace(types, '')) ?? [];
  const inNamespace = all.filter((instance) => namespace === undefined || instance.namespace === namespace);
  const rules: readonly ((instance: MeshInstance) => boolean)[] = [
    (instance) => instance.name === name,
    (instance) => instance.workload === name,
    (instance) => instance.workload.startsWith(`${name}-`),
  ];
  for (const rule of rules) {
    const found = inNamespace.filter(rule);
    if (found.length > 0) return found;
  }
  const known = [...new Set(all.flatMap((instance) => [instance.workload, instance.name]))];
  const hint =
    didYouMean(name, known) ?? (known.length === 0 ? undefined : `there are: ${known.sort().join(', ')}`);
  throw new CliError(
    `there is no workload or instance called ${word}`,
    hint === undefined ? {} : { advice: hint },
  );
}

/** The one proxy that `word` names; of several instances the first that is ready. Throws a {@link CliError}. */
export function findProxy(mesh: MeshState, word: string): MeshInstance & { readonly adminUrl: string } {
  const found = findInstances(mesh, word);
  const chosen = found.find(({ ready }) => ready) ?? found[0]!;
  if (chosen.adminUrl === undefined) {
    throw new CliError(`${chosen.name} has no proxy`, {
      advice: chosen.agent ? 'It speaks xDS itself (proxyless gRPC).' : 'It runs outside the mesh.',
    });
  }
  return { ...chosen, adminUrl: chosen.adminUrl };
}
