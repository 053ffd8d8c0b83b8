/** What stands before `tcp_proxy` in a filter chain and may prepare its choice. */
import type { AccessRecord } from '#observe/access-record.ts';
import type { ConnectionFacts, ConnectionFilter } from '../filter/contract.ts';
import type { FilterState } from './filter-state.ts';

/** A connection before its cluster is chosen. */
export interface NetworkConnection extends AccessRecord {
  readonly state: FilterState;
  /** Goes on after a filter said `'wait'`. Nothing happens when the connection has ended. */
  proceed(): void;
  /** Ends it at once. */
  destroy(): void;
}

export interface NetworkFilter extends ConnectionFilter {
  /** Of the notes it leaves, where the configuration says them. */
  readonly keys?: readonly string[];
  /** A connection came. */
  onConnection?(connection: NetworkConnection): 'wait' | undefined;
}

/** A mistake in the filter ends its connection, wherever the call comes from. */
export class GuardedNetworkFilter implements NetworkFilter {
  readonly #filter: NetworkFilter;
  readonly #onException: (error: unknown) => void;

  /** @param onException is told what a hook threw. */
  constructor(filter: NetworkFilter, onException: (error: unknown) => void) {
    this.#filter = filter;
    this.#onException = onException;
  }

  onConnection(connection: NetworkConnection): 'wait' | undefined {
    try {
      return this.#filter.onConnection?.(connection);
    } catch (error) {
      this.#onException(error);
      connection.destroy();
      return 'wait';
    }
  }

  onOpen(connection: NetworkConnection & ConnectionFacts): void {
    try {
      this.#filter.onOpen?.(connection);
    } catch (error) {
      this.#onException(error);
      connection.destroy();
    }
  }

  /** It is over already: the others hear of it, and its line is written. */
  onEnd(connection: NetworkConnection & ConnectionFacts): void {
    try {
      this.#filter.onEnd?.(connection);
    } catch (error) {
      this.#onException(error);
    }
  }
}
