/** The listener filters of a `Listener` message, read once. */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { Parsed } from '#core/problem.ts';
import { ProxyProtocolConfig_Version as ProxyVersion } from '#xds/gen/envoy/config/core/v3/proxy_protocol_pb.js';
import type {
  ListenerFilterChainMatchPredicate,
  ListenerFilter as ListenerFilterMessage,
} from '#xds/gen/envoy/config/listener/v3/listener_components_pb.js';
import { HttpInspectorSchema } from '#xds/gen/envoy/extensions/filters/listener/http_inspector/v3/http_inspector_pb.js';
import { OriginalDstSchema } from '#xds/gen/envoy/extensions/filters/listener/original_dst/v3/original_dst_pb.js';
import {
  type OriginalSrc,
  OriginalSrcSchema,
} from '#xds/gen/envoy/extensions/filters/listener/original_src/v3/original_src_pb.js';
import {
  ProxyProtocol_KeyValuePair_ValueStringEncoding as Encoding,
  ProxyProtocol_TlvLocation as Location,
  type ProxyProtocol_Rule,
  type ProxyProtocol as ProxyProtocolMessage,
  ProxyProtocolSchema,
} from '#xds/gen/envoy/extensions/filters/listener/proxy_protocol/v3/proxy_protocol_pb.js';
import {
  type TlsInspector as TlsInspectorMessage,
  TlsInspectorSchema,
} from '#xds/gen/envoy/extensions/filters/listener/tls_inspector/v3/tls_inspector_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import { type Discovered, readDiscovered } from '../discovered.ts';
import { Findings, typeNameOf } from '../findings.ts';
import { HttpInspector } from './http-inspector.ts';
import type { ListenerFilter } from './listener-filter.ts';
import { OriginalDst } from './original-dst.ts';
import { OriginalSrcFilter } from './original-src.ts';
import { MAX_TLV_TYPE, readPassThrough } from './pass-through.ts';
import { ProxyProtocol, type ProxyProtocolSettings, type TlvRule } from './proxy-protocol.ts';
import { TlsInspector, type TlsInspectorSettings } from './tls-inspector.ts';

/** When the listener goes into force, or its configuration comes. @throws where this process may not do it. */
export type CreateFilter = (deps: Pick<DataPathDeps, 'metrics'>) => ListenerFilter;

export interface FilterSettings {
  /** Or where it comes from; what is undefined is not there. */
  readonly create: CreateFilter | Discovered<CreateFilter | undefined>;
  /** Whether the filter leaves alone connections to that port. */
  skips(localPort: number): boolean;
}

/** @param handsOver whether connections go to the listener of the address they were made to. */
export function readFilters(
  filters: readonly ListenerFilterMessage[],
  handsOver: boolean,
  deps: DataPathDeps,
  findings: Findings,
): readonly FilterSettings[] {
  const settings = filters.flatMap((filter, i) => {
    const path = `listener_filters[${i}]`;
    const create = readFilter(filter, path, deps, findings);
    const skips = readPredicate(filter.filterDisabled, `${path}.filter_disabled`, findings);
    return create === undefined ? [] : [{ create, skips }];
  });
  const has = filters.some(
    ({ configType }) =>
      configType.case === 'typedConfig' && typeNameOf(configType.value) === OriginalDstSchema.typeName,
  );
  if (!handsOver || has) return settings;
  const create = originalDst('use_original_dst', deps, findings);
  return create === undefined ? settings : [...settings, { create, skips: never }];
}

const never = (): boolean => false;

const typeNames: ReadonlySet<string> = new Set(
  [TlsInspectorSchema, HttpInspectorSchema, OriginalDstSchema, OriginalSrcSchema, ProxyProtocolSchema].map(
    ({ typeName }) => typeName,
  ),
);

function readFilter(
  filter: ListenerFilterMessage,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
): FilterSettings['create'] | undefined {
  const { name, configType } = filter;
  if (configType.case === 'configDiscovery') {
    const rules = {
      kind: 'tcp_listener',
      needsDefault: true,
      missing: undefined,
      refuseType: (typeName: string, typeUrl: string) =>
        typeNames.has(typeName) ? undefined : `listener filter ${typeUrl} is not supported`,
      load(config: Any, at: string): Parsed<CreateFilter | undefined> {
        const own = new Findings();
        return own.result(readConfig(config, name, at, deps, own));
      },
    } as const;
    return readDiscovered<CreateFilter | undefined>(
      name,
      configType.value,
      `${path}.config_discovery`,
      rules,
      findings,
    );
  }
  return readConfig(configType.value, name, `${path}.typed_config`, deps, findings);
}

function readConfig(
  any: Any | undefined,
  name: string,
  at: string,
  deps: DataPathDeps,
  findings: Findings,
): CreateFilter | undefined {
  switch (typeNameOf(any)) {
    case TlsInspectorSchema.typeName: {
      const message = findings.unpack(at, any, TlsInspectorSchema);
      const settings = message && readTlsInspector(message, at, findings);
      return settings && (({ metrics }) => new TlsInspector(settings, metrics));
    }
    case HttpInspectorSchema.typeName:
      findings.unpack(at, any, HttpInspectorSchema);
      return ({ metrics }) => new HttpInspector(metrics);
    case OriginalDstSchema.typeName:
      findings.unpack(at, any, OriginalDstSchema);
      return originalDst(at, deps, findings);
    case OriginalSrcSchema.typeName: {
      const message = findings.unpack(at, any, OriginalSrcSchema);
      return message && originalSrc(message, at, deps, findings);
    }
    case ProxyProtocolSchema.typeName: {
      const message = findings.unpack(at, any, ProxyProtocolSchema);
      const settings = message && readProxyProtocol(message, at, findings);
      return settings && (({ metrics }) => new ProxyProtocol(settings, metrics));
    }
    default:
      findings.error(at, `listener filter ${any?.typeUrl ?? name} is not supported`);
      return undefined;
  }
}

function originalDst(
  path: string,
  { originalDestination }: DataPathDeps,
  findings: Findings,
): CreateFilter | undefined {
  if (originalDestination !== undefined) return () => new OriginalDst(originalDestination);
  findings.error(path, 'where a redirected connection was made to cannot be asked on this system');
  return undefined;
}

function originalSrc(
  { bindPort, mark }: OriginalSrc,
  path: string,
  { openSocket: open }: DataPathDeps,
  findings: Findings,
): CreateFilter | undefined {
  findings.refuse(`${path}.bind_port`, bindPort);
  if (open !== undefined) return () => new OriginalSrcFilter(mark, open);
  findings.error(
    path,
    'needs calls that this system does not have: connections cannot leave from the addresses of clients',
  );
  return undefined;
}

/** BoringSSL takes no larger record. */
const MAX_HELLO_BYTES = 64 * 1024;
const MIN_BUFFER_BYTES = 256;

function readTlsInspector(
  message: TlsInspectorMessage,
  path: string,
  findings: Findings,
): TlsInspectorSettings {
  findings.refuse(`${path}.enable_ja3_fingerprinting`, message.enableJa3Fingerprinting === true);
  findings.refuse(`${path}.enable_ja4_fingerprinting`, message.enableJa4Fingerprinting === true);
  const { initialReadBufferSize: initial, maxClientHelloSize: max } = message;
  if (initial !== undefined) {
    const at = `${path}.initial_read_buffer_size`;
    if (initial < MIN_BUFFER_BYTES || initial > MAX_HELLO_BYTES) {
      findings.error(at, `must be between ${MIN_BUFFER_BYTES} and ${MAX_HELLO_BYTES}`);
    } else findings.warn(at, 'has no effect: bytes are looked at as they come');
  }
  if (max !== undefined && (max === 0 || max > MAX_HELLO_BYTES)) {
    findings.error(`${path}.max_client_hello_size`, `must be between 1 and ${MAX_HELLO_BYTES}`);
  }
  return {
    maxHelloBytes: max ?? MAX_HELLO_BYTES,
    closeUnlessHello: message.closeConnectionOnClientHelloParsingErrors,
  };
}

const versions: Readonly<Record<ProxyVersion, 'v1' | 'v2'>> = {
  [ProxyVersion.V1]: 'v1',
  [ProxyVersion.V2]: 'v2',
};

function readProxyProtocol(
  message: ProxyProtocolMessage,
  path: string,
  findings: Findings,
): ProxyProtocolSettings {
  findings.refuse(`${path}.tlv_location`, message.tlvLocation !== Location.DYNAMIC_METADATA);
  const disallowed = message.disallowedVersions.map((version) => versions[version]);
  if (disallowed.includes('v1') && disallowed.includes('v2')) {
    findings.error(`${path}.disallowed_versions`, 'leaves no version of the PROXY protocol');
  }
  return {
    statPrefix: message.statPrefix,
    optional: message.allowRequestsWithoutProxyProtocol,
    disallowed,
    rules: message.rules.map((rule, i) => readRule(rule, `${path}.rules[${i}]`, findings)),
    passThrough: readPassThrough(message.passThroughTlvs, `${path}.pass_through_tlvs`, findings),
  };
}

/** Where Envoy puts what names no namespace. */
const NAMESPACE = 'envoy.filters.listener.proxy_protocol';

function readRule({ tlvType, onTlvPresent }: ProxyProtocol_Rule, path: string, findings: Findings): TlvRule {
  if (tlvType > MAX_TLV_TYPE) findings.error(`${path}.tlv_type`, `must not be above ${MAX_TLV_TYPE}`);
  if ((onTlvPresent?.key ?? '') === '') findings.error(`${path}.on_tlv_present.key`, 'is missing');
  const namespace = onTlvPresent?.metadataNamespace ?? '';
  return {
    type: tlvType,
    namespace: namespace === '' ? NAMESPACE : namespace,
    key: onTlvPresent?.key ?? '',
    encoding: onTlvPresent?.valueStringEncoding === Encoding.BASE64 ? 'base64' : 'utf8',
  };
}

function readPredicate(
  predicate: ListenerFilterChainMatchPredicate | undefined,
  path: string,
  findings: Findings,
): FilterSettings['skips'] {
  if (predicate === undefined) return never;
  const { rule } = predicate;
  switch (rule.case) {
    case 'anyMatch':
      return () => rule.value;
    case 'destinationPortRange': {
      const { start, end } = rule.value;
      return (port) => port >= start && port < end;
    }
    case 'notMatch': {
      const inner = readPredicate(rule.value, `${path}.not_match`, findings);
      return (port) => !inner(port);
    }
    case 'orMatch':
    case 'andMatch': {
      const name = rule.case === 'orMatch' ? 'or_match' : 'and_match';
      const { rules } = rule.value;
      if (rules.length < 2) findings.error(`${path}.${name}.rules`, 'needs two rules or more');
      const inner = rules.map((one, i) => readPredicate(one, `${path}.${name}.rules[${i}]`, findings));
      return rule.case === 'orMatch'
        ? (port) => inner.some((one) => one(port))
        : (port) => inner.every((one) => one(port));
    }
    default:
      findings.error(path, 'names no rule');
      return never;
  }
}
