/**
 * The address that connections to endpoints leave from, and the options of their sockets (Envoy, `BindConfig`).
 * The runtime has no call for options before a connection is made; such sockets are opened by a call of the system.
 */
import { isIPv6 } from 'node:net';
import { hostPort, parseIp } from '#core/ip-address.ts';
import type { Counter, Scope } from '#observe/metrics-contract.ts';
import type { BindConfig, SocketAddress } from '#xds/gen/envoy/config/core/v3/address_pb.js';
import {
  type SocketOption as OptionMessage,
  SocketOption_SocketState as State,
} from '#xds/gen/envoy/config/core/v3/socket_option_pb.js';
import type { Findings } from '../findings.ts';
import { systemText } from './system-text.ts';

/** One call of setsockopt(2). */
export interface SocketOption {
  readonly level: number;
  readonly name: number;
  readonly value: Uint8Array;
}

/** Opens a socket that is not connected yet; throws the system's error. */
export type OpenSocket = (family: 4 | 6, options: readonly SocketOption[]) => number;

/** What `net.connect` is told besides where to go. */
export interface ConnectionSource {
  readonly localAddress?: string;
  readonly localPort?: number;
  readonly fd?: number;
}

interface Source {
  /** '': as the system chooses. */
  readonly host: string;
  /** 0: as the system chooses. */
  readonly port: number;
  readonly options: readonly SocketOption[];
}

/** Of linux/in.h and linux/in6.h. */
export const SOL_IP = 0;
export const SOL_IPV6 = 41;
const IP_FREEBIND = 15;
const IPV6_FREEBIND = 78;
/** The port is chosen when the connection is made: one may serve many that go elsewhere. IPv6 has it under the same number. */
export const IP_BIND_ADDRESS_NO_PORT = 24;
const MAX_PORT = 65_535;

interface BindingWays {
  /** The call in which Envoy finds that the address is of the other version. */
  readonly refusal?: 'bind' | 'setsockopt';
  /** Whether sockets without options are opened by a call of the system too. */
  readonly opensAll?: boolean;
}

/** As the system chooses. */
const anywhere: Source = { host: '', port: 0, options: [] };

export class UpstreamBinding {
  readonly #sources: readonly [v4: Source, v6: Source];
  readonly #open: OpenSocket | undefined;
  readonly #refusal: 'bind' | 'setsockopt';
  readonly #opensAll: boolean;
  #errors: Counter | undefined;

  constructor(
    v4: Source,
    v6: Source,
    open: OpenSocket | undefined,
    { refusal = 'bind', opensAll = false }: BindingWays = {},
  ) {
    this.#refusal = refusal;
    this.#sources = [v4, v6];
    this.#open = open;
    this.#opensAll = opensAll;
  }

  /** Counts in the statistics of its cluster from now on. */
  count(scope: Scope): void {
    this.#errors = scope.counter('bind_errors');
  }

  /** Of sockets for connections to addresses of the same version. */
  optionsFor(address: string): readonly SocketOption[] {
    return this.#sources[isIPv6(address) ? 1 : 0].options;
  }

  /** Why a connection to an address could not leave from where it should; '' where Envoy does not say. */
  failed({ syscall, code = '' }: NodeJS.ErrnoException, address: string): string {
    if (syscall !== 'bind') return '';
    if (code !== 'EAFNOSUPPORT') this.#errors?.inc();
    const { host, port } = this.#sources[isIPv6(address) ? 1 : 0];
    return `failed to bind to ${hostPort(host, port)}: ${systemText(code)}`;
  }

  /**
   * For one connection to an address.
   *
   * @throws the system's error
   */
  source(address: string): ConnectionSource {
    const isV6 = isIPv6(address);
    const { host, port, options } = this.#sources[isV6 ? 1 : 0];
    if (host !== '' && isIPv6(host) !== isV6) {
      throw Object.assign(new Error(`bind ${host}`), { code: 'EAFNOSUPPORT', syscall: this.#refusal });
    }
    const local = {
      ...(host !== '' && { localAddress: host }),
      ...(port !== 0 && { localPort: port }),
    };
    if (this.#open === undefined || (options.length === 0 && !this.#opensAll)) return local;
    return { ...local, fd: this.#open(isV6 ? 6 : 4, options) };
  }
}

/** Of connections from the network of the application, where that is not the one of this process. */
export function bindingToApplication(open: OpenSocket): UpstreamBinding {
  return new UpstreamBinding(anywhere, anywhere, open, { opensAll: true });
}

/** @returns undefined where nothing is set. */
export function readUpstreamBinding(
  config: BindConfig | undefined,
  path: string,
  { openSocket: open }: { readonly openSocket?: OpenSocket },
  findings: Findings,
): UpstreamBinding | undefined {
  if (config === undefined) return undefined;
  const { sourceAddress, freebind, socketOptions, extraSourceAddresses } = config;
  const options = readOptions(socketOptions, `${path}.socket_options`, findings);
  const isFree = freebind === true;
  if (open === undefined && (options.length > 0 || isFree)) {
    findings.error(path, 'needs calls that this system does not have: leave out socket_options and freebind');
  }
  const candidates = [
    { address: sourceAddress, options, path: `${path}.source_address` },
    ...extraSourceAddresses.map(({ address, socketOptions: own }, i) => {
      const at = `${path}.extra_source_addresses[${i}]`;
      if (address === undefined) findings.error(`${at}.address`, 'is missing');
      const ownOptions =
        own && readOptions(own.socketOptions, `${at}.socket_options.socket_options`, findings);
      return { address, options: ownOptions ?? options, path: `${at}.address` };
    }),
  ];
  const found = candidates.flatMap(({ address, options: of, path: at }) => {
    const source = address && readSource(address, of, isFree, at, findings);
    return source === undefined ? [] : [source];
  });
  const first = found[0];
  const of = (v6: boolean): Source =>
    found.find(({ host }) => isIPv6(host) === v6) ??
    // As in Envoy, one of the other version is tried, and the system refuses it.
    first ?? { ...anywhere, options };
  return new UpstreamBinding(of(false), of(true), open);
}

function readSource(
  { address, portSpecifier, protocol }: SocketAddress,
  options: readonly SocketOption[],
  isFree: boolean,
  path: string,
  findings: Findings,
): Source | undefined {
  const bytes = parseIp(address);
  if (bytes === undefined)
    findings.error(`${path}.address`, `must be an IP address, not ${JSON.stringify(address)}`);
  findings.refuse(`${path}.protocol`, protocol !== 0);
  findings.refuse(`${path}.named_port`, portSpecifier.case === 'namedPort');
  const port = portSpecifier.case === 'portValue' ? portSpecifier.value : 0;
  if (port > MAX_PORT) findings.error(`${path}.port_value`, `must be at most ${MAX_PORT}`);
  const isV6 = bytes?.length === 16;
  const own: SocketOption[] = [];
  if (isFree) own.push(flag(isV6 ? SOL_IPV6 : SOL_IP, isV6 ? IPV6_FREEBIND : IP_FREEBIND));
  if (port === 0) own.push(flag(SOL_IP, IP_BIND_ADDRESS_NO_PORT));
  return { host: address, port, options: [...own, ...options] };
}

function readOptions(options: readonly OptionMessage[], path: string, findings: Findings): SocketOption[] {
  return options.map(({ level, name, value, state }, i) => {
    const at = `${path}[${i}]`;
    if (state !== State.STATE_PREBIND) {
      findings.error(`${at}.state`, 'must be STATE_PREBIND: options are set as a socket is opened');
    }
    if (value.case === undefined) findings.error(at, 'needs int_value or buf_value');
    return {
      level: Number(level),
      name: Number(name),
      value: value.case === 'bufValue' ? value.value : int(Number(value.value ?? 0)),
    };
  });
}

export const flag = (level: number, name: number): SocketOption => ({ level, name, value: int(1) });

/** As C has an `int` on this machine. */
export function int(value: number): Uint8Array {
  return new Uint8Array(Int32Array.of(value).buffer);
}
