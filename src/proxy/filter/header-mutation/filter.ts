/** Changes headers, trailers and query parameters (Envoy, "Header mutation"). */
import type { Parsed } from '#core/problem.ts';
import type { HeaderList } from '#http/header-list.ts';
import {
  HeaderMutationPerRouteSchema,
  HeaderMutationSchema,
} from '#xds/gen/envoy/extensions/filters/http/header_mutation/v3/header_mutation_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { type Mutations, readMutations } from './mutations.ts';

export const headerMutation: CataloguedFilter = defineFilter({
  kind: 'header-mutation',
  schema: HeaderMutationSchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const mutations = readMutations(config.mutations, `${path}.mutations`, findings);
    const filter = new HeaderMutation(mutations, config.mostSpecificHeaderMutationsWins, deps);
    return findings.result<HttpFilter>(filter);
  },
  route: {
    schema: HeaderMutationPerRouteSchema,
    create({ mutations }, path): Parsed<unknown> {
      const findings = new Findings();
      return findings.result<unknown>(readMutations(mutations, `${path}.mutations`, findings));
    },
  },
});

class HeaderMutation implements HttpFilter {
  readonly #own: Mutations;
  readonly #mostSpecificWins: boolean;
  readonly #deps: FilterDeps;

  constructor(own: Mutations, mostSpecificWins: boolean, deps: FilterDeps) {
    this.#own = own;
    this.#mostSpecificWins = mostSpecificWins;
    this.#deps = deps;
  }

  onRequestHead(exchange: Exchange): undefined {
    const levels = this.#levelsOf(exchange);
    exchange.slots[this.#deps.slot] = levels;
    for (const level of levels) {
      for (const change of level.request) change(exchange.requestHeaders, exchange);
      level.query?.apply(exchange);
    }
  }

  onRequestTrailers(exchange: Exchange, trailers: HeaderList): void {
    for (const level of this.#levels(exchange))
      for (const change of level.requestTrailers) change(trailers, exchange);
  }

  onResponseHead(exchange: Exchange): undefined {
    for (const level of this.#levels(exchange))
      for (const change of level.response) change(exchange.responseHeaders, exchange);
  }

  onResponseTrailers(exchange: Exchange, trailers: HeaderList): undefined {
    for (const level of this.#levels(exchange))
      for (const change of level.responseTrailers) change(trailers, exchange);
  }

  /** Those the request met, even where it was routed again since. */
  #levels(exchange: Exchange): readonly Mutations[] {
    return (exchange.slots[this.#deps.slot] as readonly Mutations[] | undefined) ?? this.#levelsOf(exchange);
  }

  #levelsOf(exchange: Exchange): readonly Mutations[] {
    const ofRoute = exchange.routeConfigs(this.#deps.name) as readonly Mutations[];
    return [this.#own, ...(this.#mostSpecificWins ? ofRoute : ofRoute.toReversed())];
  }
}
