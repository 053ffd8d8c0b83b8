/** Counts gRPC calls and their messages, by cluster and method (Envoy, "gRPC statistics"). */
import type { Parsed } from '#core/problem.ts';
import { headerOf } from '#http/header-list.ts';
import {
  type FilterConfig,
  FilterConfigSchema,
} from '#xds/gen/envoy/extensions/filters/http/grpc_stats/v3/config_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { type MethodStats, MethodStatsTable, methodOf } from '../grpc-method-stats.ts';
import { MessageCounter } from './message-counter.ts';

export const grpcStats: CataloguedFilter = defineFilter({
  kind: 'grpc-stats',
  schema: FilterConfigSchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    findings.refuse(`${path}.emit_filter_state`, config.emitFilterState);
    return findings.result<HttpFilter>(new GrpcStatsFilter(config, deps));
  },
});

/** One call under way. */
interface Call {
  readonly stats: MethodStats;
  readonly sent: MessageCounter;
  readonly received: MessageCounter;
}

class GrpcStatsFilter implements HttpFilter {
  readonly #methods: MethodStatsTable;
  readonly #slot: number;
  readonly #allowed: ReadonlySet<string>;
  readonly #all: boolean;
  readonly #replaceDots: boolean;
  readonly #times: boolean;

  constructor(config: FilterConfig, { metrics, slot }: FilterDeps) {
    this.#methods = new MethodStatsTable(metrics, 'grpc');
    this.#slot = slot;
    const { perMethodStatSpecifier: specifier } = config;
    this.#all = specifier.case === 'statsForAllMethods' && specifier.value.value;
    this.#allowed = new Set(
      specifier.case === 'individualMethodStatsAllowlist'
        ? specifier.value.services.flatMap(({ name, methodNames }) =>
            methodNames.map((method) => `/${name}/${method}`),
          )
        : [],
    );
    this.#replaceDots = config.replaceDotsInGrpcServiceName;
    this.#times = config.enableUpstreamStats;
  }

  onRequestHead(exchange: Exchange): Verdict {
    if (!exchange.isGrpc || exchange.cluster === undefined) return undefined;
    const stats = this.#statsOf(exchange.cluster.name, exchange.path);
    exchange.slots[this.#slot] = {
      stats,
      sent: new MessageCounter(),
      received: new MessageCounter(),
    } satisfies Call;
    return undefined;
  }

  onRequestData(exchange: Exchange, data: Buffer): undefined {
    (exchange.slots[this.#slot] as Call | undefined)?.sent.read(data);
  }

  onResponseData(exchange: Exchange, data: Buffer): undefined {
    (exchange.slots[this.#slot] as Call | undefined)?.received.read(data);
  }

  onEnd(exchange: Exchange): void {
    const call = exchange.slots[this.#slot] as Call | undefined;
    if (call === undefined) return;
    const { stats } = call;
    stats.countMessages(call.sent.messages, call.received.messages);
    const status =
      headerOf(exchange.responseTrailers, 'grpc-status') ?? headerOf(exchange.responseHeaders, 'grpc-status');
    if (status === undefined) return;
    stats.count(status);
    if (this.#times && exchange.requestEndMs !== -1) stats.recordTime(exchange.endMs - exchange.requestEndMs);
  }

  #statsOf(cluster: string, path: string): MethodStats {
    const isListed = this.#allowed.has(path);
    const method = this.#all || isListed ? methodOf(path, this.#replaceDots) : '';
    return this.#methods.of(cluster, method, isListed);
  }
}
