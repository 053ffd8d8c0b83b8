/** What a row of the benchmark is: one kind of work, or one question, put to every contender in turn. */
import type { BackendName, Bed } from './bed.ts';
import type { Besides, Elsewhere, Tls, Traffic } from './config/work.ts';
import type { Load } from './measure/load.ts';
import type { ContenderName, ProxyName } from './program.ts';

/** A figure by its name in results, and how it is shown. */
export interface Figure {
  readonly name: string;
  readonly label: string;
  readonly digits: number;
  /** Shown divided by this; absent: 1. */
  readonly per?: number;
}

/**
 * What Heddle's figure must be, and what it should reach: as a multiple of another's, or by itself. Holds
 * when the upper quartile is not above it; with `atLeast`, when the lower quartile is not below it.
 */
export interface Bound {
  readonly figure: string;
  readonly against: 'envoy' | 'haproxy' | 'itself';
  readonly must?: number;
  readonly reach?: number;
  readonly atLeast?: true;
}

interface AnyRow {
  readonly name: string;
  readonly title: string;
  readonly bounds: readonly Bound[];
  /** Why somebody does not take part. */
  readonly leftOut: Partial<Readonly<Record<ContenderName, string>>>;
}

/** Load through every contender; the accounts of the operating system before and after. */
export interface LoadRow extends AnyRow {
  readonly kind: 'load';
  /** Such as `request`. */
  readonly unit: string;
  readonly traffic: Traffic;
  readonly backend: BackendName;
  /** One proxy each; the first is the client's. */
  readonly hops: readonly Tls[];
  readonly load: Load;
  /** The proxies' core must be busy all the time. */
  readonly saturates: boolean;
  /** Absent: nothing. */
  readonly elsewhere?: Elsewhere;
  /** Absent: nothing. */
  readonly besides?: Besides;
  /** Absent: one, on a core of its own. Else the proxy shares all cores with the load. */
  readonly threads?: number;
  /** The load leaves lines in the access log. */
  readonly logged: boolean;
  /** Added over `direct`, besides the figures of every load. */
  readonly added?: boolean;
}

export interface Question {
  readonly name: ProxyName;
  readonly bed: Bed;
  /** How long to look. */
  readonly seconds: number;
}

/** Something that is asked of each contender afresh. */
export interface QuestionRow extends AnyRow {
  readonly kind: 'question';
  readonly figures: readonly Figure[];
  /** Starts what it needs and stops it. */
  ask(question: Question): Promise<Readonly<Record<string, number>>>;
}

/** The same of the control plane, beside which nobody else runs. */
export interface ControlRow extends AnyRow {
  readonly kind: 'control';
  readonly figures: readonly Figure[];
  /** Starts what it needs and stops it. */
  ask(): Promise<Readonly<Record<string, number>>>;
}

export type Row = LoadRow | QuestionRow | ControlRow;
