/** The network filters of a chain in force. A connection stays with those that it began with. */
import type { DataGuard } from '../hcm/runtime.ts';
import type { AcceptedConnection } from './accepted.ts';
import type { ChainSurroundings } from './chain.ts';
import type { ConnectionGate } from './connection-gate.ts';
import type { NetworkFilters } from './network-filters.ts';
import { createTerminal, type Terminal } from './terminal.ts';

export interface ChainFilters {
  readonly settings: NetworkFilters;
  readonly gates: readonly ConnectionGate[];
  readonly guards: readonly ((connection: AcceptedConnection) => DataGuard)[];
  readonly terminal: Terminal;
}

/**
 * @param before what they replace: filters that are the same go on, with what they have counted
 * @throws the system's error where a log cannot be opened.
 */
export function createFilters(
  settings: NetworkFilters,
  surroundings: ChainSurroundings,
  before?: ChainFilters,
): ChainFilters {
  const { countTo, metrics, deps } = surroundings;
  return {
    settings,
    gates: settings.gates.map((gate) => {
      const same = before?.settings.gates.indexOf(gate) ?? -1;
      return before?.gates[same] ?? gate.create(metrics, countTo);
    }),
    guards: settings.guards.map((guard) => {
      const same = before?.settings.guards.indexOf(guard) ?? -1;
      return before?.guards[same] ?? guard.create(metrics, deps.wheel);
    }),
    terminal:
      before !== undefined && settings.http !== undefined && settings.http === before.settings.http
        ? before.terminal
        : createTerminal(settings, surroundings),
  };
}
