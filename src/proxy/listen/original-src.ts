/** Has connections upstream leave from the client's address (Envoy, `original_src`). */
import { closeSync } from 'node:fs';
import { parseIp } from '#core/ip-address.ts';
import { OriginalSource } from '../pool/original-source.ts';
import type { OpenSocket } from '../pool/upstream-binding.ts';
import type { AcceptedConnection } from './accepted.ts';
import type { ListenerFilter } from './listener-filter.ts';

export class OriginalSrcFilter implements ListenerFilter {
  readonly #mark: number;
  readonly #open: OpenSocket;

  /**
   * @param mark of the sockets (`SO_MARK`); 0: none
   * @throws where this process may not open such sockets
   */
  constructor(mark: number, open: OpenSocket) {
    this.#mark = mark;
    this.#open = open;
    try {
      closeSync(open(4, new OriginalSource('127.0.0.1', mark, open).options));
    } catch (error) {
      throw new Error(
        `envoy.filters.listener.original_src takes CAP_NET_ADMIN, which this process does not have (${(error as Error).message})`,
        { cause: error },
      );
    }
  }

  onAccept(connection: AcceptedConnection): boolean {
    const { remoteIp } = connection;
    if (parseIp(remoteIp) !== undefined) {
      connection.originalSource = new OriginalSource(remoteIp, this.#mark, this.#open);
    }
    return false;
  }

  onBytes(): number {
    return 0;
  }
}
