/** What somebody may do (Envoy, `config.rbac.v3.Permission`). */
import type { Permission } from '#xds/gen/envoy/config/rbac/v3/rbac_pb.js';
import { UriTemplateMatchConfigSchema } from '#xds/gen/envoy/extensions/path/match/uri_template/v3/uri_template_match_pb.js';
import { textMatcher } from '../../route/header-match.ts';
import { compileUriTemplate } from '../../route/uri-template.ts';
import {
  type Condition,
  type ConditionContext,
  compileCommon,
  compileRange,
  compileRules,
  never,
  not,
  pathOf,
} from './condition.ts';
import { ipOf } from './subject.ts';

const MAX_PORT = 65_535;

export function compilePermission({ rule }: Permission, at: string, context: ConditionContext): Condition {
  const { findings } = context;
  switch (rule.case) {
    case 'andRules':
      return compileRules(rule.value.rules, `${at}.and_rules.rules`, context, true, compilePermission);
    case 'orRules':
      return compileRules(rule.value.rules, `${at}.or_rules.rules`, context, false, compilePermission);
    case 'notRule':
      return not(compilePermission(rule.value, `${at}.not_rule`, context));
    case 'any':
    case 'header':
    case 'urlPath':
    case 'metadata':
    case 'sourcedMetadata':
      return compileCommon(rule, at, context);
    case 'destinationIp':
      return compileRange(rule.value, `${at}.destination_ip`, context, ({ facts }) =>
        ipOf(facts.localAddress),
      );
    case 'destinationPort': {
      const port = rule.value;
      if (port > MAX_PORT) findings.error(`${at}.destination_port`, `must be at most ${MAX_PORT}`);
      return ({ facts }) => hasPort(facts) && facts.localPort === port;
    }
    case 'destinationPortRange': {
      const { start, end } = rule.value;
      const here = `${at}.destination_port_range`;
      if (start < 0 || start > MAX_PORT) findings.error(`${here}.start`, `must be 0 to ${MAX_PORT}`);
      if (end < 0 || end > MAX_PORT + 1) findings.error(`${here}.end`, `must be 0 to ${MAX_PORT + 1}`);
      if (start >= end) findings.error(here, 'is empty: end must be above start');
      return ({ facts }) => hasPort(facts) && facts.localPort >= start && facts.localPort < end;
    }
    case 'requestedServerName': {
      const matches = textMatcher(rule.value, `${at}.requested_server_name`, findings);
      return ({ facts }) => matches(facts.serverName);
    }
    case 'uriTemplate':
      return compileTemplate(rule.value.typedConfig, `${at}.uri_template`, context);
    case 'matcher':
      findings.error(
        `${at}.matcher`,
        `${rule.value.typedConfig?.typeUrl ?? rule.value.name} is not supported`,
      );
      return never;
    default:
      findings.error(at, 'says nothing');
      return never;
  }
}

function hasPort({ localAddress }: { readonly localAddress: string }): boolean {
  return ipOf(localAddress) !== undefined;
}

function compileTemplate(
  config: Parameters<ConditionContext['findings']['unpack']>[1],
  at: string,
  { http, findings }: ConditionContext,
): Condition {
  const message = findings.unpack(`${at}.typed_config`, config, UriTemplateMatchConfigSchema);
  if (message === undefined) return never;
  const compiled = compileUriTemplate(message.pathTemplate);
  if (!compiled.ok) {
    findings.error(`${at}.typed_config.path_template`, compiled.reason);
    return never;
  }
  if (!http) findings.warn(at, 'never matches: connections have no path');
  const template = compiled.value;
  return ({ request }) => request !== undefined && template.matches(pathOf(request.path));
}
