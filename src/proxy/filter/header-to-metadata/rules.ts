/** What becomes metadata, and how: the rules of a listener or of a part of the route table. */
import { fromBinary, toJson } from '@bufbuild/protobuf';
import { ValueSchema } from '@bufbuild/protobuf/wkt';
import { joinedHeaderOf } from '#http/header-list.ts';
import {
  type Config,
  type Config_KeyValuePair,
  type Config_Rule,
  Config_ValueEncode as Encode,
  Config_ValueType as Type,
} from '#xds/gen/envoy/extensions/filters/http/header_to_metadata/v3/header_to_metadata_pb.js';
import { byteString, type Findings } from '../../findings.ts';
import { cookieValue, headerReader } from '../../route/header-match.ts';
import { compileSubstitution } from '../../route/substitution.ts';
import type { Exchange, MetadataValue } from '../contract.ts';

interface Entry {
  readonly namespace: string;
  readonly key: string;
  /** Undefined where there is to be none. @param text what the header or the cookie says */
  valueOf(text: string): MetadataValue | undefined;
}

export interface MetadataRule {
  /** Undefined where it is not there. */
  read(exchange: Exchange): string | undefined;
  readonly present: Entry | undefined;
  readonly missing: Entry | undefined;
  /** '' where nothing is removed. */
  readonly removes: string;
}

export interface MetadataRules {
  readonly request: readonly MetadataRule[];
  readonly response: readonly MetadataRule[];
}

/** Envoy's name of the filter. */
const NAMESPACE = 'envoy.filters.http.header_to_metadata';
/** Envoy's limit. */
const MAX_VALUE_BYTES = 8 * 1024;

export function readRules(config: Config, at: string, findings: Findings): MetadataRules {
  findings.refuse(`${at}.stat_prefix`, config.statPrefix !== '');
  if (config.requestRules.length + config.responseRules.length === 0)
    findings.error(at, 'has neither request_rules nor response_rules');
  return {
    request: config.requestRules.map((rule, i) => readRule(rule, `${at}.request_rules[${i}]`, findings)),
    response: config.responseRules.map((rule, i) => {
      const path = `${at}.response_rules[${i}]`;
      if (rule.cookie !== '') findings.error(`${path}.cookie`, 'is for requests only');
      const name = rule.header.toLowerCase();
      const read = (exchange: Exchange): string | undefined =>
        name === ':status' ? String(exchange.responseCode) : joinedHeaderOf(exchange.responseHeaders, name);
      return { ...readRule(rule, path, findings), read };
    }),
  };
}

function readRule(rule: Config_Rule, at: string, findings: Findings): MetadataRule {
  const { header, cookie, onHeaderPresent: present, onHeaderMissing: missing, remove } = rule;
  if ((header === '') === (cookie === '')) findings.error(at, 'needs either header or cookie');
  if (present === undefined && missing === undefined)
    findings.error(at, 'has neither on_header_present nor on_header_missing');
  if (remove && cookie !== '') findings.error(`${at}.remove`, 'is not for cookies');
  if (remove && header.startsWith(':')) findings.error(`${at}.remove`, `"${header}" cannot be removed`);
  if (missing !== undefined && missing.value === '')
    findings.error(`${at}.on_header_missing.value`, 'is missing');
  return {
    read:
      header === ''
        ? ({ requestHeaders }) => cookieValue(requestHeaders, cookie)
        : headerReader(header.toLowerCase()),
    present: present && readEntry(present, `${at}.on_header_present`, findings),
    missing: missing && readEntry(missing, `${at}.on_header_missing`, findings),
    removes: remove ? header.toLowerCase() : '',
  };
}

function readEntry(pair: Config_KeyValuePair, at: string, findings: Findings): Entry {
  const { metadataNamespace, key, value, regexValueRewrite: rewrite, type, encode } = pair;
  if (key === '') findings.error(`${at}.key`, 'is missing');
  if (value !== '' && rewrite !== undefined) findings.error(at, 'has both value and regex_value_rewrite');
  const regex =
    rewrite === undefined ? undefined : compileSubstitution(rewrite, `${at}.regex_value_rewrite`, findings);
  const substitution = byteString(rewrite?.substitution ?? '');
  const fixed = byteString(value);
  return {
    namespace: metadataNamespace === '' ? NAMESPACE : metadataNamespace,
    key,
    valueOf(text) {
      const said = fixed !== '' ? fixed : regex === undefined ? text : regex.replaceAll(text, substitution);
      if (said === '' || said.length >= MAX_VALUE_BYTES) return undefined;
      const decoded = encode === Encode.BASE64 ? decodeBase64(said) : said;
      return decoded === undefined ? undefined : typed(decoded, type);
    },
  };
}

function typed(text: string, type: Type): MetadataValue | undefined {
  switch (type) {
    case Type.NUMBER: {
      const number = /^\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?\s*$/i.test(text) ? Number(text) : Number.NaN;
      return Number.isFinite(number) ? number : undefined;
    }
    case Type.PROTOBUF_VALUE:
      try {
        const bytes = Uint8Array.from(text, (char) => char.charCodeAt(0));
        return toJson(ValueSchema, fromBinary(ValueSchema, bytes)) as MetadataValue;
      } catch {
        return undefined;
      }
    default:
      return text;
  }
}

/** With its padding, as a byte string; undefined where it is none, or of nothing. */
function decodeBase64(text: string): string | undefined {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return undefined;
  return atob(text);
}
