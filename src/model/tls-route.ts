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
  sniHosts: required(list(hostName, 1)),
  ...connectionMatchFields,
});

export const tlsRoute: Decoder<TlsRoute> = object(
  {
    match: required(list(tlsMatch, 1)),
    route: required(list(object(connectionDestinationFields), 1)),
  },
  ({ route }, path, report) => checkWeights(route, [...path, 'route'], report),
);
