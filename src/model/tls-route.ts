/** `tls[]` of a VirtualService: where TLS connections go that nobody on the way opens, by the name in their ClientHello. */
import {
  type ConnectionDestination,
  type ConnectionMatch,
  connectionDestinationFields,
  connectionMatchFields,
} from './connection-match.ts';
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { object, required } from './decode/object.ts';
import { checkWeights } from './destination.ts';
import { hostName } from './host-name.ts';

export interface TlsMatch extends ConnectionMatch {
  /** Any of them: names, `*.example.com` or `*`. */
  readonly sniHosts: readonly string[];
}

export interface TlsRoute {
  /** Any of them. */
  readonly match: readonly TlsMatch[];
  readonly route: readonly ConnectionDestination[];
}

const tlsMatch: Decoder<TlsMatch> = object({
  sniHosts: required(
    list(hostName, 1),
    'Names in the ClientHello, any of them: each is one of the hosts, or within one of them. `*.example.com` takes every name below.',
  ),
  ...connectionMatchFields,
});

export const tlsRoute: Decoder<TlsRoute> = object(
  {
    match: required(list(tlsMatch, 1), 'Any of them; all conditions of one must hold.'),
    route: required(list(object(connectionDestinationFields), 1), 'Where connections go, by weight.'),
  },
  ({ route }, path, report) => checkWeights(route, [...path, 'route'], report),
);
