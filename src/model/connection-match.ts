/** What `tls[]` and `tcp[]` routes of a VirtualService have in common: conditions on connections, and destinations. */
import { isIpRange } from '#core/ip-address.ts';
import { type CallerMatch, callerMatchFields } from './caller-match.ts';
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, type Field, optional, required } from './decode/object.ts';
import { nonEmptyText } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';
import { type Destination, destination, weight } from './destination.ts';

export interface ConnectionMatch extends CallerMatch {
  /** Addresses that were called, single ones and ranges; empty: those of the host. */
  readonly destinationSubnets: readonly string[];
  /** Replaces the VirtualService's own list. */
  readonly gateways?: readonly string[];
}

export interface ConnectionDestination {
  readonly destination: Destination;
  readonly weight: number;
}

const subnet: Decoder<string> = refined(nonEmptyText, (decoded, path, report) =>
  isIpRange(decoded)
    ? decoded
    : report.error(
        path,
        `${JSON.stringify(decoded)} is neither an IP address nor a range such as 10.0.0.0/8`,
      ),
);

type FieldsOf<T, Optional extends keyof T> = {
  readonly [K in keyof T]-?: Field<NonNullable<T[K]>, K extends Optional ? 'optional' : 'defaulted'>;
};

export const connectionMatchFields: FieldsOf<ConnectionMatch, 'port' | 'sourceNamespace' | 'gateways'> = {
  destinationSubnets: defaulted(
    list(subnet),
    [],
    'Addresses that were called, single ones and ranges such as `10.0.0.0/8`; without them those of the host. Where nothing is captured, who calls a host by name calls its own addresses.',
  ),
  ...callerMatchFields,
  gateways: optional(list(nonEmptyText), 'In place of those of the VirtualService.'),
};

export const connectionDestinationFields: {
  readonly destination: Field<Destination, 'required'>;
  readonly weight: Field<number, 'defaulted'>;
} = {
  destination: required(destination, 'Where to.'),
  weight: defaulted(weight, 0, 'Of all weights; 0 gets nothing. A single destination gets everything.'),
};
