/** From a filter's definition to its entry in the catalogue: the Any is unpacked in one place. */
import type { DescMessage } from '@bufbuild/protobuf';
import { Findings } from '../findings.ts';
import type { CataloguedFilter, FilterDefinition } from './contract.ts';

export function defineFilter<Desc extends DescMessage, RouteDesc extends DescMessage = DescMessage>(
  definition: FilterDefinition<Desc, RouteDesc>,
): CataloguedFilter {
  const { kind, schema, stability, trust, route } = definition;
  const { createForConnections } = definition;
  return {
    kind,
    typeName: schema.typeName,
    stability,
    trust,
    load(config, path, deps) {
      const findings = new Findings();
      const message = findings.unpack(path, config, schema);
      if (message === undefined) return { ok: false, problems: findings.problems };
      return definition.create(message, path, deps);
    },
    routeTypeName: route?.schema.typeName,
    loadForRoute:
      route &&
      ((config, path, deps) => {
        const findings = new Findings();
        const message = findings.unpack(path, config, route.schema);
        if (message === undefined) return { ok: false, problems: findings.problems };
        return route.create(message, path, deps);
      }),
    loadForConnections:
      createForConnections &&
      ((config, path, deps) => {
        const findings = new Findings();
        const message = findings.unpack(path, config, schema);
        if (message === undefined) return { ok: false, problems: findings.problems };
        return createForConnections(message, path, deps);
      }),
  };
}
