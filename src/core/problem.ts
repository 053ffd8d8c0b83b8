/**
 * What is wrong with something a person (or a peer) wrote: values, collected, never thrown.
 * The same problems appear on the command line, in resource status and in NACKs.
 */

/** How bad a problem is. An `error` keeps the last good configuration in force. */
export type Level = 'error' | 'warning' | 'info';

/** A place in a text. `line` and `column` count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

export interface Problem {
  readonly level: Level;
  /** Where it is one of a documented kind, such as `IST0101`. */
  readonly code?: string;
  /** What is wrong, without the place: such as `unknown field "subnet"`. */
  readonly message: string;
  /** Path of the field inside its document, such as `spec.http[0].route[1].destination`. */
  readonly path?: string;
  /** Where it stands, when it came from a text. */
  readonly at?: Position;
  /** What to write instead, such as `did you mean "subset"?`. */
  readonly fix?: string;
  /** The same for a program, where no other thing can be meant. */
  readonly repair?: Repair;
  /** `Kind namespace/name` of the resource, when known. */
  readonly resource?: string;
}

/**
 * What to do about a problem, where it is certain: `name` is the name of the field from then on. `value` is what stands
 * for the scalar; `asText` puts it in quotes as it is written; `wrapped` makes it the field of that name of an object.
 */
export type Repair =
  | { readonly name: string }
  | { readonly value: string }
  | { readonly asText: true }
  | { readonly name: string; readonly wrapped: string };

/** A value with the warnings found on the way, or everything that is wrong with it. */
export type Parsed<T> =
  | { readonly ok: true; readonly value: T; readonly problems: readonly Problem[] }
  | { readonly ok: false; readonly problems: readonly Problem[] };

/** Whether any of `problems` is an error. */
export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.level === 'error');
}

/** One line: `file:line:column: error: path: message (fix)`. */
export function formatProblem(problem: Problem): string {
  const { at, level, resource, path, message, fix } = problem;
  const parts: string[] = [];
  if (at !== undefined) parts.push(`${at.file}:${at.line}:${at.column}`);
  parts.push(level);
  if (resource !== undefined) parts.push(resource);
  if (path !== undefined && path !== '') parts.push(path);
  parts.push(fix === undefined ? message : `${message} (${fix})`);
  return parts.join(': ');
}
