/** The client's address as that which connections upstream leave from, whether or not this machine has it. */
import { isIPv6 } from 'node:net';
import type { ClusterStats } from '../cluster/stats.ts';
import {
  flag,
  IP_BIND_ADDRESS_NO_PORT,
  int,
  type OpenSocket,
  SOL_IP,
  SOL_IPV6,
  type SocketOption,
  UpstreamBinding,
} from './upstream-binding.ts';

/** Of linux/in.h, linux/in6.h and asm-generic/socket.h. */
const IP_TRANSPARENT = 19;
const IPV6_TRANSPARENT = 75;
const SOL_SOCKET = 1;
const SO_MARK = 36;

export class OriginalSource {
  readonly #ip: string;
  readonly #open: OpenSocket;
  /** Equal for those who may share connections. */
  readonly key: string;
  /** Of sockets that are bound to it. */
  readonly options: readonly SocketOption[];

  /** @param mark `SO_MARK`; 0: none */
  constructor(ip: string, mark: number, open: OpenSocket) {
    this.#ip = ip;
    this.#open = open;
    this.key = `${ip} ${mark}`;
    this.options = [
      flag(SOL_IP, IP_BIND_ADDRESS_NO_PORT),
      ...(mark === 0 ? [] : [{ level: SOL_SOCKET, name: SO_MARK, value: int(mark) }]),
      isIPv6(ip) ? flag(SOL_IPV6, IPV6_TRANSPARENT) : flag(SOL_IP, IP_TRANSPARENT),
    ];
  }

  /**
   * What holds for the connections of a cluster, but from this address.
   *
   * @param stats of the cluster
   */
  for<T extends { readonly binding: UpstreamBinding | undefined }>(settings: T, { scope }: ClusterStats): T {
    // As in Envoy, what the cluster says comes last.
    const options = [...this.options, ...(settings.binding?.optionsFor(this.#ip) ?? [])];
    const source = { host: this.#ip, port: 0, options };
    const binding = new UpstreamBinding(source, source, this.#open, { refusal: 'setsockopt' });
    binding.count(scope);
    return { ...settings, binding };
  }
}
