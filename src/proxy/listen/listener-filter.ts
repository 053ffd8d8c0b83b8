/** What a listener filter is: it looks at a connection before the filter chain is chosen. */
import type { AcceptedConnection } from './accepted.ts';

/** Outcomes of {@link ListenerFilter.onBytes} besides the number of bytes taken. */
export const MORE = -1;
export const REFUSE = -2;

/** One object serves all connections of a listener. */
export interface ListenerFilter {
  /** @returns whether it needs bytes; else it is done. */
  onAccept(connection: AcceptedConnection): boolean;
  /**
   * All bytes that came and that filters before did not take.
   * @param from how many of them were there at the last call for this connection.
   * @returns how many it takes away for good, and is done; or {@link MORE}, or {@link REFUSE}: the connection is closed.
   */
  onBytes(connection: AcceptedConnection, bytes: Buffer, from: number): number;
}
