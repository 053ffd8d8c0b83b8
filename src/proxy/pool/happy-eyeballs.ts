/** In which order the addresses of one endpoint are tried (RFC 8305 §4, as Envoy has it). */
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { hostPort } from '#core/ip-address.ts';
import type { Endpoint, TcpTarget } from '../cluster/endpoint.ts';

/** How long an attempt is alone before the next address is tried beside it (RFC 8305 §5, Envoy). */
export const NEXT_ATTEMPT_MS = 300;

export interface HappyEyeballs {
  /** The version of IP to begin with; undefined: that of the first address. */
  readonly family: 4 | 6 | undefined;
  /** So many addresses of that version come before one of the other. */
  readonly count: number;
}

export const plainHappyEyeballs: HappyEyeballs = { family: undefined, count: 1 };

/** @param addresses at least one */
export function inTurn(addresses: readonly TcpTarget[], { family, count }: HappyEyeballs): TcpTarget[] {
  const wanted = family ?? familyOf(addresses[0]!);
  const first = addresses.filter((address) => familyOf(address) === wanted);
  const other = addresses.filter((address) => familyOf(address) !== wanted);
  const turns: TcpTarget[] = [];
  while (first.length > 0 || other.length > 0) turns.push(...first.splice(0, count), ...other.splice(0, 1));
  return turns;
}

const familyOf = ({ host }: TcpTarget): 4 | 6 => (host.includes(':') ? 6 : 4);

/** Where a connection to the endpoint leads to. */
export function remoteAddressOf({ address, traits }: Endpoint, socket: Duplex): string {
  if (traits.additional.length === 0) return address;
  const { remoteAddress, remotePort = 0 } = socket as Socket;
  return remoteAddress === undefined ? '' : hostPort(remoteAddress, remotePort);
}
