/** Counts gRPC calls and their messages, by cluster and method (Envoy, "gRPC statistics"). */
import type { Parsed } from '#core/problem.ts';
import { headerOf } from '#http/header-list.ts';
import type { Counter, Histogram, MetricRegistry } from '#observe/metrics-contract.ts';
import {
  type FilterConfig,
  FilterConfigSchema,
} from '#xds/gen/envoy/extensions/filters/http/grpc_stats/v3/config_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
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

/** What is counted of one method of one cluster. */
interface MethodStats {
  readonly total: Counter;
  readonly success: Counter;
  readonly failure: Counter;
  readonly requests: Counter;
  readonly responses: Counter;
  readonly timeMs: Histogram;
  /** By gRPC status, made when first needed. */
  readonly statuses: Map<string, Counter>;
  status(code: string): Counter;
}

/** One call under way. */
interface Call {
  readonly stats: MethodStats;
  readonly sent: MessageCounter;
  readonly received: MessageCounter;
}

/** Methods of one cluster counted each on their own; those beyond are counted as one. */
const MAX_METHODS = 1000;
/** Statuses of gRPC; whatever else a server sends is counted as one. */
const MAX_STATUS = 16;

class GrpcStatsFilter implements HttpFilter {
  readonly #metrics: MetricRegistry;
  readonly #slot: number;
  readonly #allowed: ReadonlySet<string>;
  readonly #all: boolean;
  readonly #replaceDots: boolean;
  readonly #times: boolean;
  readonly #known = new Map<string, Map<string, MethodStats>>();

  constructor(config: FilterConfig, { metrics, slot }: FilterDeps) {
    this.#metrics = metrics;
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
    stats.requests.inc(call.sent.messages);
    stats.responses.inc(call.received.messages);
    const status =
      headerOf(exchange.responseTrailers, 'grpc-status') ?? headerOf(exchange.responseHeaders, 'grpc-status');
    if (status === undefined) return;
    stats.total.inc();
    if (status === '0') stats.success.inc();
    else stats.failure.inc();
    stats.status(/^\d{1,2}$/.test(status) && Number(status) <= MAX_STATUS ? status : '-1').inc();
    if (this.#times && exchange.requestEndMs !== -1)
      stats.timeMs.record(exchange.endMs - exchange.requestEndMs);
  }

  #statsOf(cluster: string, path: string): MethodStats {
    let methods = this.#known.get(cluster);
    if (methods === undefined) {
      methods = new Map();
      this.#known.set(cluster, methods);
    }
    const each = (this.#all && methods.size < MAX_METHODS) || this.#allowed.has(path);
    const name = each ? this.#methodName(path) : '';
    let stats = methods.get(name);
    if (stats === undefined) {
      stats = createStats(this.#metrics, cluster, name);
      methods.set(name, stats);
    }
    return stats;
  }

  /** `service.method`; '' for a path that is none of gRPC. */
  #methodName(path: string): string {
    const [empty, service, method, ...rest] = path.split('/');
    if (empty !== '' || !service || !method || rest.length > 0) return '';
    return `${this.#replaceDots ? service.replaceAll('.', '_') : service}.${method}`;
  }
}

function createStats(metrics: MetricRegistry, cluster: string, method: string): MethodStats {
  const scope = metrics.scope({
    path: `cluster.${cluster}.grpc${method === '' ? '' : `.${method}`}`,
    family: 'cluster_grpc',
    labels: { envoy_cluster_name: cluster, ...(method === '' ? {} : methodLabels(method)) },
  });
  const statuses = new Map<string, Counter>();
  return {
    total: scope.counter('total'),
    success: scope.counter('success'),
    failure: scope.counter('failure'),
    requests: scope.counter('request_message_count'),
    responses: scope.counter('response_message_count'),
    timeMs: scope.histogram('upstream_rq_time'),
    statuses,
    status(code) {
      let counter = statuses.get(code);
      if (counter === undefined) {
        counter = scope.counter(code);
        statuses.set(code, counter);
      }
      return counter;
    },
  };
}

function methodLabels(method: string): Readonly<Record<string, string>> {
  const dot = method.lastIndexOf('.');
  return {
    envoy_grpc_bridge_service: method.slice(0, dot),
    envoy_grpc_bridge_method: method.slice(dot + 1),
  };
}
