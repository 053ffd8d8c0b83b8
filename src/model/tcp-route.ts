/** `tcp[]` of a VirtualService: where connections go of which nothing but the address is known. */
import {
  type ConnectionDestination,
  type ConnectionMatch,
  connectionDestinationFields,
  connectionMatchFields,
} from './connection-match.ts';
import { list } from './decode/collection.ts';
import type { Decoder } from './decode/decoder.ts';
import { defaulted, object, refused, required } from './decode/object.ts';
import { checkWeights } from './destination.ts';

export interface TcpRoute {
  /** Any of them; empty: every connection. */
  readonly match: readonly ConnectionMatch[];
  readonly route: readonly ConnectionDestination[];
}

const tcpMatch: Decoder<ConnectionMatch> = object({
  ...connectionMatchFields,
  // Hidden in Istio's reference, and without effect there: the route would take everybody.
  sourceSubnet: refused(
    'choose callers by sourceLabels or sourceNamespace',
    'Istio takes it and does nothing with it.',
  ),
});

export const tcpRoute: Decoder<TcpRoute> = object(
  {
    match: defaulted(
      list(tcpMatch),
      [],
      'Any of them; all conditions of one must hold. Without any, every connection.',
    ),
    route: required(list(object(connectionDestinationFields), 1), 'Where connections go, by weight.'),
  },
  ({ route }, path, report) => checkWeights(route, [...path, 'route'], report),
);
