/** Lets requests in by rules of who may do what (Envoy, "Role Based Access Control"). */
import type { Parsed } from '#core/problem.ts';
import { RBACPerRouteSchema, RBACSchema } from '#xds/gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import { Findings } from '../../findings.ts';
import type { CataloguedFilter, Exchange, FilterDeps, HttpFilter, Verdict } from '../contract.ts';
import { defineFilter } from '../define.ts';
import { detailsOf, factsOf, type Judgement, LOG_KEY, LOG_NAMESPACE, type RbacRules } from './rules.ts';
import { type RbacSettings, readRbac } from './settings.ts';
import { RbacStats } from './stats.ts';
import { subjectOf } from './subject.ts';

/** Of the dynamic metadata, whatever the filter is called. */
const NAMESPACE = 'envoy.filters.http.rbac';

const nobodyAsked: RbacSettings = {
  rules: undefined,
  shadowRules: undefined,
  statPrefix: '',
  shadowStatPrefix: '',
  countsPolicies: false,
};

export const rbac: CataloguedFilter = defineFilter({
  kind: 'rbac',
  schema: RBACSchema,
  stability: 'stable',
  trust: 'hostile-downstream',
  create(config, path, deps): Parsed<HttpFilter> {
    const findings = new Findings();
    const settings = readRbac(config, path, findings);
    return findings.result<HttpFilter>(new RbacFilter(settings, deps));
  },
  route: {
    schema: RBACPerRouteSchema,
    create({ rbac: config }, path): Parsed<unknown> {
      const findings = new Findings();
      const settings = config === undefined ? nobodyAsked : readRbac(config, `${path}.rbac`, findings);
      return findings.result<unknown>(settings);
    },
  },
});

class RbacFilter implements HttpFilter {
  readonly #own: RbacSettings;
  readonly #name: string;
  readonly #stats: RbacStats;

  constructor(own: RbacSettings, { name, metrics, statPrefix }: FilterDeps) {
    this.#own = own;
    this.#name = name;
    this.#stats = new RbacStats(
      metrics,
      {
        path: `http.${statPrefix}.rbac`,
        family: 'http_rbac',
        labels: { envoy_http_conn_manager_prefix: statPrefix },
      },
      own.statPrefix,
      own.shadowStatPrefix,
    );
  }

  onRequestHead(exchange: Exchange): Verdict {
    const settings = (exchange.routeConfig(this.#name) as RbacSettings | undefined) ?? this.#own;
    const { rules, shadowRules, statPrefix, shadowStatPrefix } = settings;
    if (shadowRules !== undefined) {
      const judgement = this.#judge(exchange, settings, shadowRules, true);
      this.#tell(exchange, judgement, `${shadowStatPrefix}shadow_`);
    }
    if (rules === undefined) return undefined;
    const judgement = this.#judge(exchange, settings, rules, false);
    if (judgement.logs !== undefined) exchange.setMetadata(LOG_NAMESPACE, { [LOG_KEY]: judgement.logs });
    this.#tell(exchange, judgement, `${statPrefix}enforced_`);
    if (judgement.allowed) return undefined;
    return { status: 403, body: 'RBAC: access denied', flag: '', details: detailsOf(judgement.policy) };
  }

  #judge(exchange: Exchange, settings: RbacSettings, rules: RbacRules, isShadow: boolean): Judgement {
    const judgement = rules.judge(subjectOf(exchange));
    const { allowed, policy } = judgement;
    this.#stats.count(allowed, isShadow);
    if (settings.countsPolicies && policy !== '') this.#stats.countPolicy(policy, allowed, isShadow);
    return judgement;
  }

  #tell(exchange: Exchange, judgement: Judgement, prefix: string): void {
    exchange.setMetadata(
      NAMESPACE,
      factsOf(judgement, `${prefix}effective_policy_id`, `${prefix}engine_result`),
    );
  }
}
