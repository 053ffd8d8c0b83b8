/** What a case of the comparison is: what the client does, and how Envoy is known to take it. */
import type { Backend, BackendKind } from '../backend/backend.ts';
import type { Answers } from '../backend/exchange.ts';
import type { Certificates } from './certificates.ts';
import type { Draw } from './draw.ts';
import type { Topic } from './topics.ts';

/** What a client saw: lines to be compared and shown. Values that no two runs share are replaced. */
export interface ClientView {
  /** Of the final answers, in order. */
  readonly statuses: readonly number[];
  /** Whether the connection could still be used, where the case looks. */
  readonly connection?: 'open' | 'closed';
  readonly lines: readonly string[];
}

/** All that is compared. */
export interface Observation {
  readonly client: readonly string[];
  /** What the backends got, in the order of its arrival. */
  readonly upstream: readonly string[];
  readonly log: readonly string[];
  /** What is still under way when the client has gone: gauges that are not zero. */
  readonly active: readonly string[];
  /** By how much counters rose; those that did not are absent. */
  readonly stats: Readonly<Record<string, number>>;
}

type Patterns = RegExp | readonly RegExp[];

/** What Envoy shows: the case is about this. */
export interface Expectation {
  /** Status of each final answer. */
  readonly status?: number | readonly number[];
  readonly connection?: 'open' | 'closed';
  /** Each is found in the lines of the client; likewise below. */
  readonly client?: Patterns;
  readonly upstream?: Patterns | 'nothing';
  readonly log?: Patterns | 'nothing';
  /** What must not be in what the client or the upstream saw. */
  readonly never?: Patterns;
  /** By how much these counters rose. */
  readonly stats?: Readonly<Record<string, number>>;
}

/** One case on one proxy. */
export interface Play {
  /** Value of `x-test` in its requests. */
  readonly id: string;
  readonly draw: Draw;
  readonly listener: string;
  /** Port of a listener; absent: that of the case. */
  port(listener?: string): number;
  backend(name: string): Backend;
  readonly certificates: Certificates;
  /** Text of an admin page of the proxy. */
  admin(path: string, method?: 'GET' | 'POST'): Promise<string>;
  /** A folder that the bootstrap of this proxy may name, as `@FOLDER@`. */
  readonly folder: string;
  /** What is to be done when the client is through. */
  after(run: () => void): void;
  /** A number that is told by its name where it shows up. */
  portName(port: number, name: string): void;
}

export type Script = (play: Play) => Promise<ClientView>;

export interface Case {
  readonly name: string;
  /** What of the specification it stands for. */
  readonly covers: Topic;
  /** Name of a listener; absent: `main`. */
  readonly on?: string;
  readonly play: Script;
  readonly expect: Expectation;
  /** How backends answer, by their names; absent: by the path of the request. */
  readonly answers?: Readonly<Record<string, Answers>>;
  /** Lines of access log to wait for; absent: one for each final answer. */
  readonly logLines?: number;
  /** Several connections are at work at once: their lines are compared without their order. */
  readonly inAnyOrder?: true;
  /** Counters are not compared, with the reason. */
  readonly uncounted?: string;
  /** Rows of one table count as one case for each outcome they expect. */
  readonly table?: string;
}

export interface Places {
  /** Ports of the backends by their names. */
  readonly ports: Readonly<Record<string, number>>;
  readonly certificates: Certificates;
}

/** One bootstrap, its backends, and what is asked of it. */
export interface Group {
  readonly name: string;
  readonly backends: Readonly<Record<string, BackendKind>>;
  /**
   * YAML or an object in the form of Envoy's Bootstrap. `@LOG@` and `@FOLDER@` stand for the file of
   * access logs and a folder.
   */
  bootstrap(places: Places): string | object;
  readonly cases: readonly Case[];
  /** Flags besides those that all groups have. */
  readonly flags?: readonly string[];
  /** Files for `@FOLDER@`. */
  files?(places: Places): Readonly<Record<string, string>>;
}
