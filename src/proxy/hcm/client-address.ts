/** Who the client of a request is, where others stand between it and us (Envoy, "x-forwarded-for"). */
import { type IpBytes, type IpRange, inRange, parseIp } from '#core/ip-address.ts';
import { type HeaderList, headerOf } from '#http/header-list.ts';
import type { LocalReply } from '../filter/contract.ts';
import type { DownstreamFacts } from './runtime.ts';

export interface ClientAddress {
  /** '' where nothing is known but the connection. */
  readonly address: string;
  /** Whether it may decide that the request comes from inside. */
  readonly mayBeTrusted: boolean;
  /** Whether the connection's own address is added to `x-forwarded-for`. */
  readonly appends: boolean;
  /** The request is refused. */
  readonly refusal?: LocalReply;
}

/** A way of finding it; undefined where it does not. */
export type AddressDetection = (headers: HeaderList, facts: DownstreamFacts) => ClientAddress | undefined;

/** Addresses that are ours (Envoy, `internal_address_config`). */
export class InternalAddresses {
  readonly #ranges: readonly IpRange[];
  readonly #unixSockets: boolean;
  #last = '';
  #lastIsInternal = false;

  constructor(ranges: readonly IpRange[], unixSockets: boolean) {
    this.#ranges = ranges;
    this.#unixSockets = unixSockets;
  }

  /** @param address '' for one that is no IP address */
  has(address: string): boolean {
    if (address === '') return this.#unixSockets;
    if (this.#ranges.length === 0) return false;
    if (address === this.#last) return this.#lastIsInternal;
    const bytes = parseIp(address);
    this.#last = address;
    this.#lastIsInternal = bytes !== undefined && this.#ranges.some((range) => inRange(range, bytes));
    return this.#lastIsInternal;
  }
}

/** The address `skipped` places from the right of a list; undefined where there is none. */
export function addressFromRight(list: string, skipped: number): string | undefined {
  let end = list.length;
  for (let i = 0; i < skipped; i++) {
    end = list.lastIndexOf(',', end - 1);
    if (end === -1) return undefined;
  }
  const text = list.slice(list.lastIndexOf(',', end - 1) + 1, end).trim();
  return parseIp(text) === undefined ? undefined : text;
}

/** By `x-forwarded-for`, of whose entries the last ones are added by proxies that are trusted. */
export function detectByHops(trustedHops: number, appends: boolean): AddressDetection {
  return (headers) => {
    const list = headerOf(headers, 'x-forwarded-for');
    const address = list === undefined ? undefined : addressFromRight(list, trustedHops);
    if (address === undefined) return appends ? { address: '', mayBeTrusted: false, appends } : undefined;
    return { address, mayBeTrusted: trustedHops === 0 && !list!.includes(','), appends };
  };
}

/** By `x-forwarded-for`, from the right to the first address that is not in `trusted`. */
export function detectByRanges(trusted: readonly IpRange[], appends: boolean): AddressDetection {
  const isTrusted = (bytes: IpBytes | undefined): boolean =>
    bytes !== undefined && trusted.some((range) => inRange(range, bytes));
  return (headers, { remoteIp }) => {
    const nothing = appends ? { address: '', mayBeTrusted: false, appends } : undefined;
    if (!isTrusted(parseIp(remoteIp))) return nothing;
    const list = (headerOf(headers, 'x-forwarded-for') ?? '').split(',').map((text) => text.trim());
    for (let i = list.length - 1; i >= 0; i--) {
      const bytes = parseIp(list[i]!);
      if (bytes === undefined) return nothing;
      if (i === 0 || !isTrusted(bytes)) return { address: list[i]!, mayBeTrusted: false, appends };
    }
    return nothing;
  };
}

/** By a header of its own. @param refusal where it does not tell; undefined: the request goes on */
export function detectByHeader(
  name: string,
  mayBeTrusted: boolean,
  refusal: LocalReply | undefined,
): AddressDetection {
  const refused = refusal && { address: '', mayBeTrusted: false, appends: false, refusal };
  return (headers) => {
    const text = headerOf(headers, name);
    return text !== undefined && parseIp(text) !== undefined
      ? { address: text, mayBeTrusted, appends: false }
      : refused;
  };
}
