/** Answers preflights, and tells browsers who may read an answer (Fetch, "CORS protocol"; Envoy, "CORS"). */
import { headerOf, setHeader } from '#http/header-list.ts';
import { CorsPolicySchema, CorsSchema } from '#xds/gen/envoy/extensions/filters/http/cors/v3/cors_pb.js';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { PolicyLevels, readPolicy } from './policy.ts';

export const cors: CataloguedFilter = defineFilter({
  kind: 'cors',
  schema: CorsSchema,
  stability: 'stable',
  trust: 'hostile-downstream',
  create: (_config, _path, deps) => ({ ok: true, value: new CorsFilter(deps), problems: [] }),
  route: { schema: CorsPolicySchema, create: readPolicy },
});

/** A request of another origin that may read the answer. */
interface CrossOrigin {
  readonly origin: string;
  readonly levels: PolicyLevels;
}

class CorsFilter implements HttpFilter {
  readonly #deps: FilterDeps;
  readonly #valid: { inc(): void };
  readonly #invalid: { inc(): void };

  constructor(deps: FilterDeps) {
    this.#deps = deps;
    const scope = deps.metrics.scope({
      path: `http.${deps.statPrefix}.cors`,
      family: 'http_cors',
      labels: { envoy_http_conn_manager_prefix: deps.statPrefix },
    });
    this.#valid = scope.counter('origin_valid');
    this.#invalid = scope.counter('origin_invalid');
  }

  onRequestHead(exchange: Exchange): Verdict {
    const { name, slot } = this.#deps;
    const configs = exchange.routeConfigs(name);
    // Redirects and direct responses are for everybody (Envoy).
    if (configs.length === 0 || exchange.route?.action.kind !== 'forward') return undefined;
    const levels = new PolicyLevels(configs);
    const isOn = levels.isEnabled();
    if (!isOn && !levels.isShadowed()) return undefined;
    const headers = exchange.requestHeaders;
    const origin = headerOf(headers, 'origin');
    if (origin === undefined || origin === '') return undefined;
    const asked = headerOf(headers, 'access-control-request-method') ?? '';
    const isPreflight = exchange.method === 'OPTIONS' && asked !== '';
    if (!levels.allows(origin)) {
      this.#invalid.inc();
      const isAnswered = isOn && isPreflight && !levels.forwardsOthers();
      return isAnswered ? preflightReply(preflightHeaders(headers, levels)) : undefined;
    }
    this.#valid.inc();
    if (!isOn) return undefined;
    exchange.slots[slot] = { origin, levels } satisfies CrossOrigin;
    if (!isPreflight) return undefined;
    return preflightReply(['access-control-allow-origin', origin, ...preflightHeaders(headers, levels)]);
  }

  onResponseHead(exchange: Exchange): undefined {
    const known = exchange.slots[this.#deps.slot] as CrossOrigin | undefined;
    if (known === undefined) return;
    const headers = exchange.responseHeaders;
    setHeader(headers, 'access-control-allow-origin', known.origin);
    if (known.levels.withCredentials()) setHeader(headers, 'access-control-allow-credentials', 'true');
    const exposed = known.levels.text('expose');
    if (exposed !== '') setHeader(headers, 'access-control-expose-headers', exposed);
  }
}

const preflightReply = (headers: string[]): Verdict => ({
  ...{ status: 200, body: '', flag: '', details: 'cors_response', headers },
  isUntouched: true,
});

function preflightHeaders(headers: readonly string[], levels: PolicyLevels): string[] {
  const allowed: string[] = [];
  if (levels.withCredentials()) allowed.push('access-control-allow-credentials', 'true');
  for (const [name, value] of [
    ['access-control-allow-methods', levels.text('methods')],
    ['access-control-allow-headers', levels.text('headers')],
    ['access-control-max-age', levels.text('maxAge')],
  ] as const) {
    if (value !== '') allowed.push(name, value);
  }
  const wantsPrivate = headerOf(headers, 'access-control-request-private-network') === 'true';
  if (wantsPrivate && levels.toPrivateNetworks())
    allowed.push('access-control-allow-private-network', 'true');
  return allowed;
}
