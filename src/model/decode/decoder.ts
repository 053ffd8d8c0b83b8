/**
 * Decoders: a value somebody wrote -> an exact type, with every problem on the way and its place.
 * Small functions that are put together; each says where it is by the path it is given.
 */
import type { Level, Position, Problem, Repair } from '#core/problem.ts';
import type { Schema } from './schema.ts';

export type Path = readonly (string | number)[];

/** Gives the value, or undefined when it could not be decoded (then an error was reported). */
export interface Decoder<T> {
  (value: unknown, path: Path, report: Report): T | undefined;
  /** What it takes; absent: it does not say. */
  readonly schema?: Schema;
}

/**
 * What is lost when a known part without support is left out.
 * `closes`: something its writer closed would be open, elsewhere or weaker: an error.
 * `adds`: a feature is missing and nothing is less safe: a warning.
 */
export type Loss = 'closes' | 'adds';

export interface ReportOptions {
  /** `Kind namespace/name`, put on every problem. */
  readonly resource: string;
  positionOf(path: Path): Position | undefined;
  /** Unsupported parts that close something become warnings: somebody asked for this kind. */
  readonly allowUnsupported: boolean;
}

/** Code of what is known and not supported (`docs/reference/analysis.md`). */
const notSupported = 'HED0001';

interface More {
  readonly code?: string;
  readonly repair?: Repair | undefined;
}

/** Collects the problems of one document. */
export class Report {
  readonly problems: Problem[] = [];
  /** Unsupported parts that would have been errors, but were allowed. */
  readonly allowed: Problem[] = [];
  /** Whether something that closes is missing support and was not allowed. */
  closesUnsupported = false;
  readonly #options: ReportOptions;
  #inner: { readonly outer: Path; positionOf(path: Path): Position | undefined } | undefined;

  constructor(options: ReportOptions) {
    this.#options = options;
  }

  /** Says where the fields of a document stand that is the text of the field at `outer`. */
  placeWithin(outer: Path, positionOf: (path: Path) => Position | undefined): void {
    this.#inner = { outer, positionOf };
  }

  get hasErrors(): boolean {
    return this.problems.some((problem) => problem.level === 'error');
  }

  /** @param repair what `fix` says, where nothing else can be meant */
  error(path: Path, message: string, fix?: string, repair?: Repair): undefined {
    this.#add('error', path, message, fix, { repair });
    return undefined;
  }

  warning(path: Path, message: string, fix?: string): void {
    this.#add('warning', path, message, fix);
  }

  info(path: Path, message: string, fix?: string): void {
    this.#add('info', path, message, fix);
  }

  /** Takes over what somebody else found, at the same place. */
  found({ level, message, fix }: Pick<Problem, 'level' | 'message' | 'fix'>, path: Path): void {
    this.#add(level, path, message, fix);
  }

  unsupported(path: Path, loss: Loss, what = 'this field'): void {
    if (loss === 'adds') {
      this.#add('warning', path, `${what} is not supported yet and has no effect`, undefined, {
        code: notSupported,
      });
    } else if (this.#options.allowUnsupported) {
      this.allowed.push(
        this.#add('warning', path, `${what} is not supported yet; allowed, so it has no effect`, undefined, {
          code: notSupported,
        }),
      );
    } else {
      this.closesUnsupported = true;
      this.#add(
        'error',
        path,
        `${what} is not supported yet, and without it the mesh would be less strict than written`,
        `to run without it: --allow-unsupported ${this.#options.resource.split(' ')[0]}`,
        { code: notSupported },
      );
    }
  }

  #positionOf(path: Path): Position | undefined {
    const inner = this.#inner;
    const isWithin = inner?.outer.every((step, index) => path[index] === step) === true;
    const found = isWithin ? inner.positionOf(path.slice(inner.outer.length)) : undefined;
    return found ?? this.#options.positionOf(path);
  }

  #add(level: Level, path: Path, message: string, fix?: string, more: More = {}): Problem {
    const { code, repair } = more;
    const at = this.#positionOf(path);
    const problem: Problem = {
      level,
      ...(code !== undefined && { code }),
      message,
      ...(path.length > 0 && { path: formatPath(path) }),
      ...(at !== undefined && { at }),
      ...(fix !== undefined && { fix }),
      ...(repair !== undefined && { repair }),
      resource: this.#options.resource,
    };
    this.problems.push(problem);
    return problem;
  }
}

/** `spec.http[0].match`; a step that is not a plain word is quoted. */
export function formatPath(path: Path): string {
  let text = '';
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`;
    else if (/^[A-Za-z_$][\w$-]*$/.test(step)) text += text === '' ? step : `.${step}`;
    else text += `[${JSON.stringify(step)}]`;
  }
  return text;
}

/** `a text`, `a number`, …: what somebody wrote, for messages. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'string') return `the text ${JSON.stringify(value)}`;
  return `the ${typeof value} ${String(value)}`;
}
