/** A `config.rbac.v3.RBAC` message, read once: policies in the order of their names, and what the first that matches means. */
import {
  RBAC_Action as Action,
  RBAC_AuditLoggingOptions_AuditCondition as AuditCondition,
  type Policy,
  type RBAC,
} from '#xds/gen/envoy/config/rbac/v3/rbac_pb.js';
import type { MetadataValue } from '../contract.ts';
import { type Condition, type ConditionContext, compileSet } from './condition.ts';
import { compilePermission } from './permission.ts';
import { compilePrincipal } from './principal.ts';
import type { RbacSubject } from './subject.ts';

interface NamedPolicy {
  readonly name: string;
  readonly matches: Condition;
}

/** Whether somebody may, and by which policy; '' for none. */
export interface Judgement {
  readonly allowed: boolean;
  readonly policy: string;
  /** Whether the policy asks for a line of log, for who asks that; undefined where rules do not say. */
  readonly logs: boolean | undefined;
}

export class RbacRules {
  readonly #action: Action;
  readonly #policies: readonly NamedPolicy[];

  constructor(action: Action, policies: readonly NamedPolicy[]) {
    this.#action = action;
    this.#policies = policies;
  }

  judge(subject: RbacSubject): Judgement {
    const policy = this.#policies.find(({ matches }) => matches(subject))?.name;
    const matched = policy !== undefined;
    const logs = this.#action === Action.LOG;
    const allowed = logs || matched === (this.#action === Action.ALLOW);
    return { allowed, policy: policy ?? '', logs: logs ? matched : undefined };
  }
}

/** `%RESPONSE_CODE_DETAILS%`, and the reason a connection ends by. */
export function detailsOf(policy: string): string {
  return `rbac_access_denied_matched_policy[${(policy === '' ? 'none' : policy).replaceAll(/\s/g, '_')}]`;
}

/** Where LOG leaves what it found. */
export const LOG_NAMESPACE = 'envoy.common';
export const LOG_KEY = 'access_log_hint';

/** As dynamic metadata tells it. @param prefix of the keys */
export function factsOf(
  { allowed, policy }: Judgement,
  policyKey: string,
  resultKey: string,
): Record<string, MetadataValue> {
  const result = allowed ? 'allowed' : 'denied';
  return policy === '' ? { [resultKey]: result } : { [policyKey]: policy, [resultKey]: result };
}

export function readRules(rules: RBAC, at: string, context: ConditionContext): RbacRules {
  const { findings } = context;
  if (!(rules.action in Action)) findings.error(`${at}.action`, 'is not known');
  const { auditLoggingOptions: audit } = rules;
  if (audit !== undefined && audit.auditCondition !== AuditCondition.NONE) {
    audit.loggerConfigs.forEach(({ isOptional }, i) => {
      const here = `${at}.audit_logging_options.logger_configs[${i}]`;
      if (isOptional) findings.warn(here, 'is not known and optional: left out');
      else findings.error(here, 'is not supported');
    });
  }
  const policies = Object.keys(rules.policies)
    .sort()
    .map((name) => ({
      name,
      matches: readPolicy(rules.policies[name]!, `${at}.policies["${name}"]`, context),
    }));
  return new RbacRules(rules.action, policies);
}

function readPolicy(policy: Policy, at: string, context: ConditionContext): Condition {
  const { findings } = context;
  const { permissions, principals } = policy;
  findings.refuse(`${at}.condition`, policy.condition !== undefined);
  findings.refuse(`${at}.checked_condition`, policy.checkedCondition !== undefined);
  if (permissions.length === 0) findings.error(`${at}.permissions`, 'is missing');
  if (principals.length === 0) findings.error(`${at}.principals`, 'is missing');
  const may = compileSet(
    permissions.map((one, i) => compilePermission(one, `${at}.permissions[${i}]`, context)),
    false,
  );
  const is = compileSet(
    principals.map((one, i) => compilePrincipal(one, `${at}.principals[${i}]`, context)),
    false,
  );
  return (subject) => may(subject) && is(subject);
}
