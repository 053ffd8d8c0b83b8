/** The network filters for connections without HTTP, as a filter chain names them. */
import type { Any } from '@bufbuild/protobuf/wkt';
import type { DataSource } from '#xds/gen/envoy/config/core/v3/base_pb.js';
import { ConfigSchema as DirectResponseSchema } from '#xds/gen/envoy/extensions/filters/network/direct_response/v3/config_pb.js';
import { EchoSchema } from '#xds/gen/envoy/extensions/filters/network/echo/v3/echo_pb.js';
import { ConfigSchema as SetFilterStateSchema } from '#xds/gen/envoy/extensions/filters/network/set_filter_state/v3/set_filter_state_pb.js';
import { SniClusterSchema } from '#xds/gen/envoy/extensions/filters/network/sni_cluster/v3/sni_cluster_pb.js';
import { FilterConfigSchema as SniForwardSchema } from '#xds/gen/envoy/extensions/filters/network/sni_dynamic_forward_proxy/v3/sni_dynamic_forward_proxy_pb.js';
import { TcpProxySchema } from '#xds/gen/envoy/extensions/filters/network/tcp_proxy/v3/tcp_proxy_pb.js';
import type { DataPathDeps } from '../data-path-deps.ts';
import type { Direction } from '../filter/contract.ts';
import { type Findings, typeNameOf } from '../findings.ts';
import type { NetworkFilter } from './network-filter.ts';
import { readSetFilterState } from './set-filter-state.ts';
import { readTcpProxy } from './settings.ts';
import { sniCluster } from './sni-cluster.ts';
import { readSniDynamicForwardProxy } from './sni-dynamic-forward-proxy.ts';
import type { TcpTerminalSettings } from './terminal.ts';

export interface TcpFilterContext {
  /** Of its configuration, such as `filter_chains[0].filters[1].typed_config`. */
  readonly path: string;
  readonly deps: DataPathDeps;
  readonly direction: Direction;
  /** Those that stand before it in the chain; what is read later is seen too. */
  readonly before: readonly NetworkFilter[];
  /** `per_connection_buffer_limit_bytes` of the listener. */
  readonly bufferLimitBytes: number;
}

export type TcpFilter =
  | { readonly kind: 'terminal'; readonly settings: TcpTerminalSettings }
  | { readonly kind: 'filter'; readonly filter: NetworkFilter }
  /** What is wrong with it is among the findings. */
  | { readonly kind: 'broken' };

/** Envoy's default for listeners. */
export const BUFFER_LIMIT_BYTES: number = 1024 * 1024;

const typeNames: ReadonlySet<string> = new Set(
  [
    TcpProxySchema,
    EchoSchema,
    DirectResponseSchema,
    SniClusterSchema,
    SetFilterStateSchema,
    SniForwardSchema,
  ].map(({ typeName }) => typeName),
);

export function isTcpFilter(typeName: string): boolean {
  return typeNames.has(typeName);
}

/** Undefined where it is none of these filters. */
export function readTcpFilter(
  any: Any | undefined,
  context: TcpFilterContext,
  findings: Findings,
): TcpFilter | undefined {
  const { path } = context;
  switch (typeNameOf(any)) {
    case TcpProxySchema.typeName: {
      const message = findings.unpack(path, any, TcpProxySchema);
      if (message === undefined) return { kind: 'broken' };
      const { before: filters, direction, bufferLimitBytes } = context;
      return {
        kind: 'terminal',
        settings: readTcpProxy(message, { path, filters, direction, bufferLimitBytes }, findings),
      };
    }
    case EchoSchema.typeName:
      return { kind: 'terminal', settings: { kind: 'echo' } };
    case DirectResponseSchema.typeName: {
      const message = findings.unpack(path, any, DirectResponseSchema);
      const response = readSource(message?.response, `${path}.response`, context.deps, findings);
      return { kind: 'terminal', settings: { kind: 'direct-response', response } };
    }
    case SniClusterSchema.typeName:
      return { kind: 'filter', filter: sniCluster };
    case SetFilterStateSchema.typeName: {
      const message = findings.unpack(path, any, SetFilterStateSchema);
      if (message === undefined) return { kind: 'broken' };
      return { kind: 'filter', filter: readSetFilterState(message, path, findings) };
    }
    case SniForwardSchema.typeName: {
      const message = findings.unpack(path, any, SniForwardSchema);
      if (message === undefined) return { kind: 'broken' };
      return { kind: 'filter', filter: readSniDynamicForwardProxy(message, path, context.deps, findings) };
    }
    default:
      return undefined;
  }
}

function readSource(
  source: DataSource | undefined,
  path: string,
  deps: DataPathDeps,
  findings: Findings,
): Buffer {
  const specifier = source?.specifier;
  switch (specifier?.case) {
    case 'inlineString':
      return Buffer.from(specifier.value);
    case 'inlineBytes':
      return Buffer.from(specifier.value);
    case 'filename':
      try {
        return Buffer.from(deps.readFile(specifier.value));
      } catch (error) {
        findings.error(`${path}.filename`, error instanceof Error ? error.message : String(error));
      }
      break;
    case 'environmentVariable': {
      const value = deps.environment(specifier.value);
      if (value !== undefined) return Buffer.from(value);
      findings.error(`${path}.environment_variable`, `"${specifier.value}" is not set`);
      break;
    }
    default:
  }
  return Buffer.alloc(0);
}
