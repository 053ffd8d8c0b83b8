/**
 * An Envoy bootstrap, from the text of its file and of `--config-yaml`, to its message. Every field
 * Heddle does not support is an error with its path and place.
 */
import { clone, create, mergeFromBinary, toBinary } from '@bufbuild/protobuf';
import type { Parsed, Position, Problem } from '#core/problem.ts';
import { parseYaml, type YamlDocument } from '#core/yaml.ts';
import { messageFromDocument } from '#xds/document.ts';
import { type Bootstrap, BootstrapSchema } from '#xds/gen/envoy/config/bootstrap/v3/bootstrap_pb.js';

/** One text: a file, or the value of a flag. JSON is YAML too. */
export interface BootstrapText {
  /** Shown in problems, such as `envoy.yaml` or `--config-yaml`. */
  readonly name: string;
  readonly text: string;
}

export interface LoadedBootstrap {
  readonly bootstrap: Bootstrap;
  /** Where `static_resources.KIND[index]` and a path below it stand. */
  locate(problem: Problem, kind: StaticKind, index: number): Problem;
  /** The same for a problem whose path begins at the bootstrap itself. */
  place(problem: Problem): Problem;
}

/** Lists of `static_resources`. */
export type StaticKind = 'listeners' | 'clusters' | 'secrets';

interface Part {
  readonly document: YamlDocument;
  readonly message: Bootstrap;
}

export interface LoadOptions {
  /** Leave unknown fields out with a warning (`--allow-unknown-static-fields`). */
  readonly allowUnknownFields: boolean;
}

/** @param texts later ones are merged over earlier ones: lists are appended, as protobuf merges. */
export function loadBootstrap(
  texts: readonly BootstrapText[],
  options: LoadOptions,
): Parsed<LoadedBootstrap> {
  const problems: Problem[] = [];
  const parts: Part[] = [];
  for (const text of texts) {
    const part = loadPart(text, options, problems);
    if (part !== undefined) parts.push(part);
  }
  if (parts.length < texts.length) return { ok: false, problems };
  const [first, ...others] = parts;
  const bootstrap = first?.message ?? create(BootstrapSchema);
  // Merged into a message of its own: where each list came from is looked up in the parts.
  const merged = others.length === 0 ? bootstrap : clone(BootstrapSchema, bootstrap);
  for (const { message } of others)
    mergeFromBinary(BootstrapSchema, merged, toBinary(BootstrapSchema, message));
  const locate = (problem: Problem, kind: StaticKind, index: number): Problem =>
    located(problem, kind, index, parts);
  return {
    ok: true,
    value: { bootstrap: merged, locate, place: (problem) => placed(problem, parts) },
    problems,
  };
}

/** In the text that says most of the path; of two, the later one wins as it does in the merge. */
function placed(problem: Problem, parts: readonly Part[]): Problem {
  const steps = stepsOf(problem.path ?? '');
  for (let length = steps.length; length > 0; length--) {
    const inner = steps.slice(0, length);
    const holder = parts.findLast(({ document }) => holds(document.value, inner));
    const at = holder?.document.positionOf(inner);
    if (at !== undefined) return { ...problem, at };
  }
  return problem;
}

function holds(value: unknown, path: readonly (string | number)[]): boolean {
  let inner = value;
  for (const step of path) {
    if (typeof inner !== 'object' || inner === null || !Object.hasOwn(inner, step)) return false;
    inner = (inner as Record<string | number, unknown>)[step];
  }
  return true;
}

function loadPart(
  { name, text }: BootstrapText,
  options: LoadOptions,
  problems: Problem[],
): Part | undefined {
  const { documents, problems: found, incomplete } = parseYaml(text, name);
  problems.push(...found);
  if (incomplete || found.some(({ level }) => level === 'error')) return undefined;
  const [document, second] = documents;
  if (document === undefined) {
    const at: Position = { file: name, line: 1, column: 1 };
    problems.push({ level: 'error', message: 'holds no document: a bootstrap is needed', at });
    return undefined;
  }
  if (second !== undefined) {
    problems.push({ level: 'error', message: 'a bootstrap is one document', at: second.start });
    return undefined;
  }
  const unknownFields = options.allowUnknownFields ? 'warning' : 'error';
  const parsed = messageFromDocument(BootstrapSchema, document, { unknownFields });
  problems.push(...parsed.problems);
  return parsed.ok ? { document, message: parsed.value } : undefined;
}

/** Lists of later texts stand behind those of earlier ones: finds the text that holds item `index`. */
function located(problem: Problem, kind: StaticKind, index: number, parts: readonly Part[]): Problem {
  let inPart = index;
  for (const { document, message } of parts) {
    const length = message.staticResources?.[kind].length ?? 0;
    if (inPart >= length) {
      inPart -= length;
      continue;
    }
    const inner = problem.path ?? '';
    const path = `static_resources.${kind}[${inPart}]${inner === '' || inner.startsWith('[') ? '' : '.'}${inner}`;
    const at = positionOf(document, path);
    return { ...problem, path, ...(at === undefined ? {} : { at }) };
  }
  return problem;
}

function positionOf(document: YamlDocument, path: string): Position | undefined {
  const steps = stepsOf(path);
  // The text may be in camelCase, and one of them finds the deeper place.
  const snake = document.positionOf(steps);
  const camel = document.positionOf(steps.map((step) => (typeof step === 'string' ? camelCase(step) : step)));
  if (snake === undefined || camel === undefined) return snake ?? camel;
  return camel.line > snake.line || (camel.line === snake.line && camel.column > snake.column)
    ? camel
    : snake;
}

/** `a.b[0]["c.d"]` -> `['a', 'b', 0, 'c.d']`. */
function stepsOf(path: string): (string | number)[] {
  const steps: (string | number)[] = [];
  for (const [, index, quoted, plain] of path.matchAll(/\[(\d+)\]|\["((?:[^"\\]|\\.)*)"\]|([^.[\]]+)/g)) {
    if (index !== undefined) steps.push(Number(index));
    else if (quoted !== undefined) steps.push(JSON.parse(`"${quoted}"`) as string);
    else if (plain !== undefined) steps.push(plain);
  }
  return steps;
}

function camelCase(name: string): string {
  return name.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase());
}
