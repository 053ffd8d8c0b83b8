/** Where a route of a VirtualService sends to: a host, one of its ports, and a subset that a DestinationRule names. */
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { object, optional, required } from './decode/object.ts';
import { integer, nonEmptyText, portNumber } from './decode/scalar.ts';
import { destinationHost } from './host-name.ts';

export interface Destination {
  readonly host: string;
  /** Of a DestinationRule for `host`. */
  readonly subset?: string;
  /** Needed where the service has several ports. */
  readonly port?: { readonly number: number };
}

export const destination: Decoder<Destination> = object({
  host: required(
    destinationHost,
    'A service or a host of a ServiceEntry; a short name is one of the namespace of the VirtualService.',
  ),
  subset: optional(nonEmptyText, 'Of a DestinationRule for the host.'),
  port: optional(
    object({ number: required(portNumber, 'Of the service.') }),
    'Without it the only port of the host, or the one that was called.',
  ),
});

/** Relative to the other destinations; a single destination gets everything. */
export const weight: Decoder<number> = integer(0, 2 ** 31 - 1);

/** @param path of the list. */
export function checkWeights(
  destinations: readonly { readonly weight: number }[],
  path: Path,
  report: Report,
): void {
  if (destinations.length < 2) return;
  const total = destinations.reduce((sum, { weight }) => sum + weight, 0);
  if (total === 0) report.error(path, 'the weights sum up to 0', 'give each destination its weight');
  // Envoy adds them up in 32 bits.
  if (total > 0xffffffff) report.error(path, `the weights sum up to ${total}, which is more than 4294967295`);
}
