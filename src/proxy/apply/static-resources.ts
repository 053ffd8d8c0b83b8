/** The resources that stand in a bootstrap: all problems at once, with their place. */
import type { Problem } from '#core/problem.ts';
import { atOnce } from '#core/time-slice.ts';
import type { LoadedBootstrap, StaticKind } from '../bootstrap/load.ts';
import type { SecretStore } from '../contract.ts';
import { bootstrapSource, keyOf } from '../resource-source.ts';
import type { Configuration } from './configuration.ts';
import { unknownClusters } from './route-clusters.ts';
import { type DataReader, secretMaterial } from './secret-material.ts';

export interface StaticDeps {
  readonly configuration: Configuration;
  readonly secrets: SecretStore;
  readonly reader: DataReader;
}

/** Offers all of them; call `configuration.settle` to put them in force. */
export function offerStaticResources(loaded: LoadedBootstrap, deps: StaticDeps): readonly Problem[] {
  const { configuration } = deps;
  const { secrets = [], clusters = [], listeners = [] } = loaded.bootstrap.staticResources ?? {};
  const problems: Problem[] = [];
  const report = (kind: StaticKind, index: number, found: readonly Problem[]): void => {
    problems.push(...found.map((problem) => loaded.locate(problem, kind, index)));
  };
  const seen = new Map<StaticKind, Set<string>>();
  const isNew = (kind: StaticKind, index: number, name: string): boolean => {
    const names = seen.get(kind) ?? new Set();
    seen.set(kind, names);
    if (names.has(name))
      report(kind, index, [{ level: 'error', path: 'name', message: `"${name}" stands there twice` }]);
    return !names.has(name) && names.add(name) !== undefined;
  };
  secrets.forEach((secret, i) => {
    if (!isNew('secrets', i, secret.name)) return;
    const parsed = secretMaterial(secret, deps.reader);
    report('secrets', i, parsed.problems);
    if (!parsed.ok) return;
    const key = keyOf(secret.name, bootstrapSource);
    configuration.table.warm('secret', key, '', secret, 'static');
    configuration.table.activate('secret', key);
    deps.secrets.set(key, parsed.value);
  });
  const known = new Set(clusters.map(({ name }) => name));
  clusters.forEach((message, i) => {
    if (!isNew('clusters', i, message.name)) return;
    report('clusters', i, atOnce(configuration.offerCluster({ message, version: '', origin: 'static' })));
  });
  // Clusters that come by xDS cannot be known yet.
  const allKnown = loaded.bootstrap.dynamicResources?.cdsConfig === undefined;
  listeners.forEach((message, i) => {
    if (allKnown) report('listeners', i, unknownClusters(message, known));
    // A listener without a name is named by its address.
    if (message.name === '' || isNew('listeners', i, message.name)) {
      report('listeners', i, atOnce(configuration.offerListener({ message, version: '', origin: 'static' })));
    }
  });
  return problems;
}
