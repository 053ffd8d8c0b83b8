/** Restores the address a redirected connection was made to (Envoy, `original_dst`). */
import type { Socket } from 'node:net';
import type { AcceptedConnection } from './accepted.ts';
import type { ListenerFilter } from './listener-filter.ts';
import type { IpEndpoint } from './proxy-header.ts';

/** Undefined where the connection was not redirected, or is none of IP. */
export type OriginalDestination = (socket: Socket) => IpEndpoint | undefined;

export class OriginalDst implements ListenerFilter {
  readonly #destinationOf: OriginalDestination;

  constructor(destinationOf: OriginalDestination) {
    this.#destinationOf = destinationOf;
  }

  onAccept(connection: AcceptedConnection): boolean {
    const destination = this.#destinationOf(connection.socket as Socket);
    if (destination !== undefined) connection.restoreLocal(destination.ip, destination.port);
    return false;
  }

  onBytes(): number {
    return 0;
  }
}
