/** An `RBAC` message of the HTTP filter, of a listener or of a part of the route table, read once. */
import type { RBAC } from '#xds/gen/envoy/extensions/filters/http/rbac/v3/rbac_pb.js';
import type { Findings } from '../../findings.ts';
import { type RbacRules, readRules } from './rules.ts';

export interface RbacSettings {
  /** Undefined: everybody may do everything. */
  readonly rules: RbacRules | undefined;
  readonly shadowRules: RbacRules | undefined;
  readonly statPrefix: string;
  readonly shadowStatPrefix: string;
  readonly countsPolicies: boolean;
}

export function readRbac(config: RBAC, at: string, findings: Findings): RbacSettings {
  const { rules, shadowRules } = config;
  const context = { http: true, findings };
  findings.refuse(`${at}.matcher`, config.matcher !== undefined);
  findings.refuse(`${at}.shadow_matcher`, config.shadowMatcher !== undefined);
  return {
    rules: rules && readRules(rules, `${at}.rules`, context),
    shadowRules: shadowRules && readRules(shadowRules, `${at}.shadow_rules`, context),
    statPrefix: config.rulesStatPrefix,
    shadowStatPrefix: config.shadowRulesStatPrefix,
    countsPolicies: config.trackPerRuleStats,
  };
}
