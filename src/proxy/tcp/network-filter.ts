/** What stands before `tcp_proxy` in a filter chain and may prepare its choice. */
import type { AccessRecord } from '#observe/access-record.ts';
import type { ConnectionFilter } from '../filter/contract.ts';
import type { FilterState } from './filter-state.ts';

/** A connection before its cluster is chosen. */
export interface NetworkConnection extends AccessRecord {
  readonly state: FilterState;
  /** Goes on after a filter said `'wait'`. Nothing happens when the connection has ended. */
  proceed(): void;
}

export interface NetworkFilter extends ConnectionFilter {
  /** A connection came. */
  onConnection?(connection: NetworkConnection): 'wait' | undefined;
}
