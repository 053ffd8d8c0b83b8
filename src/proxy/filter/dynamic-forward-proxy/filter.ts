/**
 * Resolves the host a request names, before it is forwarded to a `dynamic_forward_proxy` cluster
 * (Envoy, "Dynamic forward proxy").
 */
import { errorKinds } from '#core/error.ts';
import type { Parsed } from '#core/problem.ts';
import { headerOf } from '#http/header-list.ts';
import {
  FilterConfigSchema,
  PerRouteConfigSchema,
} from '#xds/gen/envoy/extensions/filters/http/dynamic_forward_proxy/v3/dynamic_forward_proxy_pb.js';
import type { HostCache } from '../../dns/cache.ts';
import { type NamedHost, splitAuthority } from '../../dns/named-host.ts';
import { readSharedCache } from '../../dns/shared-cache.ts';
import { byteString, Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, HttpFilter, LocalReply, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';

/** The host in place of the one that a request names. */
interface HostRewrite {
  /** '': none. */
  readonly literal: string;
  /** Lower case; '': none. */
  readonly header: string;
}

const refused = (body: string, details: string): LocalReply => ({ status: 503, flag: '', body, details });
const tooManyWait = refused(
  'Dynamic forward proxy pending request overflow',
  'dynamic_forward_proxy_pending_request_overflow',
);
const tooManyNames = refused('DNS cache overflow', 'dns_cache_overflow');

export const dynamicForwardProxy: CataloguedFilter = defineFilter({
  kind: 'dynamic-forward-proxy',
  schema: FilterConfigSchema,
  stability: 'stable',
  trust: 'hostile-both',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    findings.refuse(`${path}.save_upstream_address`, config.saveUpstreamAddress);
    findings.refuse(`${path}.allow_dynamic_host_from_filter_state`, config.allowDynamicHostFromFilterState);
    const { implementationSpecifier: of } = config;
    const cache = readSharedCache(of.value, `${path}.dns_cache_config`, deps, findings);
    return findings.result<HttpFilter>({
      onRequestHead(exchange): Verdict {
        const { cluster } = exchange;
        if (cluster?.isDynamic !== true || cache === undefined) return undefined;
        rewriteHost(exchange, exchange.routeConfig(deps.name) as HostRewrite | undefined);
        return resolve(exchange, cache, deps.slot, cluster.defaultPort!);
      },
      onEnd(exchange): void {
        const waiting = exchange.slots[deps.slot] as Waiting | undefined;
        if (waiting === undefined) return;
        cache!.forsake(waiting.name, waiting.done);
        cache!.leave();
      },
    });
  },
  route: {
    schema: PerRouteConfigSchema,
    create({ hostRewriteSpecifier: of }): Parsed<unknown> {
      const rewrite: HostRewrite = {
        literal: of.case === 'hostRewriteLiteral' ? byteString(of.value) : '',
        header: of.case === 'hostRewriteHeader' ? of.value.toLowerCase() : '',
      };
      return new Findings().result<unknown>(rewrite);
    },
  },
});

function rewriteHost(exchange: Exchange, rewrite: HostRewrite | undefined): void {
  if (rewrite === undefined) return;
  const { header, literal } = rewrite;
  const host = header === '' ? literal : (headerOf(exchange.requestHeaders, header) ?? '');
  if (host !== '') exchange.authority = host;
}

/** In the slot of a request whose host is being looked up. */
interface Waiting {
  readonly name: NamedHost;
  readonly done: () => void;
}

function resolve(exchange: Exchange, cache: HostCache, slot: number, defaultPort: number): Verdict {
  if (!cache.enter()) return tooManyWait;
  const name = splitAuthority(exchange.authority, defaultPort);
  const verdict = (): LocalReply | undefined => {
    if (cache.addressesOf(name).length > 0) return undefined;
    const { httpStatus, flag, details, body } = errorKinds.DNS_FAILED;
    return { status: httpStatus, flag, details: `${details}{${cache.failureOf(name)}}`, body };
  };
  const done = (): void => {
    exchange.slots[slot] = undefined;
    cache.leave();
    exchange.resume(verdict());
  };
  const loading = cache.load(name, done);
  if (loading === 'waits') {
    exchange.slots[slot] = { name, done } satisfies Waiting;
    return 'wait';
  }
  cache.leave();
  return loading === 'known' ? verdict() : tooManyNames;
}
