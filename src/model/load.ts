/** Texts -> resources: every document of every file, and everything that is wrong with any of them. */
import type { Problem } from '#core/problem.ts';
import { parseYaml, type YamlResult } from '#core/yaml.ts';
import { analyze } from './analyze/analysis.ts';
import { type DecodedDocument, type DecodeOptions, decodeDocument, type ResourceCheck } from './document.ts';
import { keyOf, kinds, type Resource } from './kinds.ts';

export interface SourceText {
  /** As problems name it. */
  readonly file: string;
  readonly text: string;
}

export interface LoadOptions {
  /** Kinds whose unsupported parts are let pass, even where they close something. */
  readonly allowUnsupported?: readonly string[];
  /** Absent: nobody looks further than this room does. */
  readonly lookInto?: ResourceCheck;
  /** What was made of texts before: one that is the same object is not read again. Of one set of options. */
  readonly kept?: KeptDocuments;
  /** Leaves out what only shows when resources are seen together. */
  readonly withoutAnalysis?: boolean;
}

export type KeptDocuments = WeakMap<SourceText, DecodedFile>;

interface DecodedFile {
  readonly file: string;
  readonly documents: readonly DecodedDocument[];
  /** Of no document. */
  readonly problems: readonly Problem[];
  readonly incomplete: boolean;
}

/** A document that could not be used. */
export interface Rejected {
  readonly key: string;
  readonly file: string;
  /** It concerns something that closes: nothing may take effect that counts on it. */
  readonly guards: boolean;
}

export interface Loaded {
  /** Without errors; unique by {@link keyOf}; in order of the files and documents. */
  readonly resources: readonly Resource[];
  /** In order of the files; those of the analysis last, if every document is good. */
  readonly problems: readonly Problem[];
  /** Unsupported parts that were let pass and would have been errors. */
  readonly allowed: readonly Problem[];
  readonly rejected: readonly Rejected[];
  /** Files of which some document could not even be parsed. */
  readonly brokenFiles: readonly string[];
  /** Whether some file could not be read at all, so that nobody knows what is missing. */
  readonly unread: boolean;
}

/** A text that was parsed. */
export interface ParsedText {
  readonly file: string;
  readonly yaml: YamlResult;
}

export function loadDocuments(files: readonly SourceText[], options: LoadOptions = {}): Loaded {
  const { kept } = options;
  const decodeOptions = decodeOptionsOf(options);
  const decoded = files.map((source): DecodedFile => {
    const known = kept?.get(source) ?? decodeFile(parseText(source), decodeOptions);
    kept?.set(source, known);
    return known;
  });
  return joined(decoded, options);
}

function decodeOptionsOf({ allowUnsupported = [], lookInto }: LoadOptions): DecodeOptions {
  return { allowUnsupported, ...(lookInto !== undefined && { lookInto }) };
}

export function parseText({ file, text }: SourceText): ParsedText {
  return { file, yaml: parseYaml(text, file) };
}

export function loadParsed(files: readonly ParsedText[], options: Omit<LoadOptions, 'kept'> = {}): Loaded {
  const decodeOptions = decodeOptionsOf(options);
  return joined(
    files.map((file) => decodeFile(file, decodeOptions)),
    options,
  );
}

function joined(files: readonly DecodedFile[], { withoutAnalysis = false }: LoadOptions): Loaded {
  const loading = new Loading();
  for (const { file, documents, problems, incomplete } of files) {
    if (incomplete) loading.brokenFiles.push(file);
    loading.problems.push(...problems);
    for (const document of documents) loading.add(document, file);
  }
  return loading.result(withoutAnalysis);
}

function decodeFile({ file, yaml }: ParsedText, options: DecodeOptions): DecodedFile {
  const { documents, problems, incomplete } = yaml;
  // Problems inside a document come back with it.
  const within = new Set(documents.flatMap((document) => document.problems));
  return {
    file,
    documents: documents.flatMap((document) => decodeDocument(document, options)),
    problems: problems.filter((problem) => !within.has(problem)),
    incomplete,
  };
}

class Loading {
  readonly brokenFiles: string[] = [];
  readonly problems: Problem[] = [];
  readonly #resources = new Map<string, Resource>();
  readonly #allowed: Problem[] = [];
  readonly #rejected: Rejected[] = [];

  add({ resource, key, problems, allowed, holds }: DecodedDocument, file: string): void {
    this.problems.push(...problems);
    this.#allowed.push(...allowed);
    if (problems.some((problem) => problem.level === 'error'))
      this.#rejected.push({ key, file, guards: holds });
    if (resource === undefined) return;
    const own = keyOf(resource);
    const first = this.#resources.get(own);
    if (first === undefined) this.#resources.set(own, resource);
    else this.#addDuplicate(resource, first);
  }

  /** Two documents of one name: neither can be told to be the right one, so nothing changes. */
  #addDuplicate(second: Resource, first: Resource): void {
    const { file, line } = first.origin.start;
    const guards = kinds[second.kind].guards === true;
    this.#rejected.push({ key: keyOf(second), file: second.origin.file, guards });
    this.problems.push({
      level: 'error',
      message: `there is another ${second.kind} of this name at ${file}:${line}`,
      path: 'metadata.name',
      at: second.origin.positionOf(['metadata', 'name']) ?? second.origin.start,
      resource: keyOf(second),
    });
  }

  result(withoutAnalysis: boolean): Loaded {
    // Of several of one name none is taken: only later ones were noted.
    const doubtful = new Set(this.#rejected.map(({ key }) => key));
    for (const key of doubtful) this.#resources.delete(key);
    const resources = [...this.#resources.values()];
    // What a broken document would have brought is missing, and would be complained about.
    const isWhole = this.#rejected.length === 0 && this.brokenFiles.length === 0 && !withoutAnalysis;
    return {
      resources,
      problems: isWhole ? [...this.problems, ...analyze(resources)] : this.problems,
      allowed: this.#allowed,
      rejected: this.#rejected,
      brokenFiles: this.brokenFiles,
      unread: false,
    };
  }
}
