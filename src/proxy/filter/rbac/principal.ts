/** Who somebody is (Envoy, `config.rbac.v3.Principal`). */

import type { Any } from '@bufbuild/protobuf/wkt';
import { type IpBytes, parseIp } from '#core/ip-address.ts';
import type { Principal, Principal_Authenticated } from '#xds/gen/envoy/config/rbac/v3/rbac_pb.js';
import { ConfigSchema as MtlsSchema } from '#xds/gen/envoy/extensions/rbac/principals/mtls_authenticated/v3/mtls_authenticated_pb.js';
import type { FilterStateMatcher } from '#xds/gen/envoy/type/matcher/v3/filter_state_pb.js';
import { textMatcher } from '../../route/header-match.ts';
import { compileSanMatch } from '../../tls/san-match.ts';
import { readSanRule } from '../../tls/validation-rules.ts';
import {
  type Condition,
  type ConditionContext,
  compileCommon,
  compileRange,
  compileRules,
  never,
  not,
} from './condition.ts';
import { ipOf, type RbacSubject } from './subject.ts';

export function compilePrincipal(
  { identifier }: Principal,
  at: string,
  context: ConditionContext,
): Condition {
  const { findings } = context;
  switch (identifier.case) {
    case 'andIds':
      return compileRules(identifier.value.ids, `${at}.and_ids.ids`, context, true, compilePrincipal);
    case 'orIds':
      return compileRules(identifier.value.ids, `${at}.or_ids.ids`, context, false, compilePrincipal);
    case 'notId':
      return not(compilePrincipal(identifier.value, `${at}.not_id`, context));
    case 'authenticated':
      return compileAuthenticated(identifier.value, `${at}.authenticated`, context);
    case 'sourceIp':
      return compileRange(identifier.value, `${at}.source_ip`, context, peerIp);
    case 'directRemoteIp':
      return compileRange(identifier.value, `${at}.direct_remote_ip`, context, ({ facts }) =>
        parseIp(facts.directRemoteIp),
      );
    case 'remoteIp':
      return compileRange(identifier.value, `${at}.remote_ip`, context, (subject) =>
        subject.request === undefined ? peerIp(subject) : ipOf(subject.record?.downstreamRemoteAddress ?? ''),
      );
    case 'any':
    case 'header':
    case 'urlPath':
    case 'metadata':
    case 'sourcedMetadata':
      return compileCommon(identifier, at, context);
    case 'filterState':
      return compileFilterState(identifier.value, `${at}.filter_state`, context);
    case 'custom':
      return compileCustom(identifier.value.typedConfig, `${at}.custom.typed_config`, context);
    default:
      findings.error(at, 'says nothing');
      return never;
  }
}

/** Of the connection, and not of the request. */
function peerIp({ facts }: RbacSubject): IpBytes | undefined {
  return parseIp(facts.remoteIp);
}

/** Any URI or DNS name of the certificate, or else its subject. */
function compileAuthenticated(
  { principalName }: Principal_Authenticated,
  at: string,
  { findings }: ConditionContext,
): Condition {
  if (principalName === undefined) return ({ facts }) => facts.secure;
  const matches = textMatcher(principalName, `${at}.principal_name`, findings);
  return ({ facts }) => {
    if (!facts.secure) return false;
    const { certificate } = facts;
    if (certificate === undefined) return matches('');
    const { uris, dns, subject } = certificate;
    return uris.some(matches) || dns.some(matches) || matches(subject);
  };
}

function compileFilterState(
  { key, matcher }: FilterStateMatcher,
  at: string,
  { findings }: ConditionContext,
): Condition {
  if (key === '') findings.error(`${at}.key`, 'is missing');
  if (matcher.case !== 'stringMatch') {
    if (matcher.case === undefined) findings.error(`${at}.string_match`, 'is missing');
    else findings.error(`${at}.address_match`, 'is not supported: use string_match');
    return never;
  }
  const matches = textMatcher(matcher.value, `${at}.string_match`, findings);
  return ({ record }) => {
    const text = record?.filterState?.(key, true);
    return text !== undefined && matches(text);
  };
}

function compileCustom(config: Any | undefined, at: string, { findings }: ConditionContext): Condition {
  const message = findings.unpack(at, config, MtlsSchema);
  if (message === undefined) return never;
  const { sanMatcher, anyValidatedClientCertificate: any } = message;
  if (any === (sanMatcher !== undefined)) {
    findings.error(at, 'must have one of san_matcher and any_validated_client_certificate');
    return never;
  }
  if (sanMatcher === undefined) return ({ facts }) => facts.peer.validated;
  const rule = readSanRule(sanMatcher, `${at}.san_matcher`, findings);
  const matches = rule && compileSanMatch([rule]);
  return ({ facts: { peer } }) =>
    peer.validated && peer.certificate !== undefined && matches?.(peer.certificate.names) === true;
}
