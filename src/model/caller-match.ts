/** Conditions that routes of every kind have on who calls, and on the port that was called. */
import { defaulted, type Field, optional } from './decode/object.ts';
import { portNumber, text } from './decode/scalar.ts';
import { type Labels, labels } from './metadata.ts';

export interface CallerMatch {
  /** The port that was called. */
  readonly port?: number;
  /** Labels of the caller's workload. */
  readonly sourceLabels: Labels;
  readonly sourceNamespace?: string;
}

export const callerMatchFields: {
  readonly port: Field<number, 'optional'>;
  readonly sourceLabels: Field<Labels, 'defaulted'>;
  readonly sourceNamespace: Field<string, 'optional'>;
} = {
  port: optional(portNumber, 'That was called.'),
  sourceLabels: defaulted(
    labels,
    {},
    'That the workload of the caller must have, all of them. Not asked of what comes in through a gateway.',
  ),
  sourceNamespace: optional(
    text,
    'Of the workload of the caller. Not asked of what comes in through a gateway.',
  ),
};
