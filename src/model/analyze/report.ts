/** All that is to be said about a set of documents: what decoding finds, and what they are to each other. */
import type { Problem } from '#core/problem.ts';
import { parseYaml } from '#core/yaml.ts';
import { type LoadOptions, loadParsed, type ParsedText } from '../load.ts';
import { type Code, documentationOf } from './codes.ts';
import { analysisDocuments } from './document.ts';
import { istioAnalyzers } from './istio/catalogue.ts';
import type { Raw } from './loose.ts';
import type { Message } from './message.ts';
import { type Suppression, suppressor } from './suppression.ts';
import { World } from './world.ts';

export interface AnalysisOptions extends Pick<LoadOptions, 'lookInto'> {
  /** Istio's MeshConfig; absent: that of the ConfigMap `istio`. */
  readonly meshConfig?: Raw;
  readonly suppressions?: readonly Suppression[];
  /** Only what is about this namespace, or about none. */
  readonly namespace?: string;
  /** Names of analyzers that are left out. */
  readonly without?: readonly string[];
}

/** A problem with a code, and where the code is described. */
export interface Finding extends Omit<Message, 'resource'> {
  /** Absent for what is no document. */
  readonly resource?: string;
  readonly documentation: string;
}

export interface AnalysisReport {
  /** By file, line and column. */
  readonly findings: readonly Finding[];
  /** How many documents were looked at. */
  readonly documents: number;
}

export function analyzeTexts(texts: readonly ParsedText[], options: AnalysisOptions = {}): AnalysisReport {
  const documents = analysisDocuments(texts.flatMap(({ yaml }) => yaml.documents));
  const world = new World(documents, {
    parse: (text) => parseYaml(text, '').documents[0]?.value,
    ...(options.meshConfig !== undefined && { meshConfig: options.meshConfig }),
  });
  const without = options.without ?? [];
  const problems: Problem[] = [
    // Istio's codes are given by its analyzers alone, with its levels.
    ...loadParsed(texts, options).problems.filter(({ code }) => code?.startsWith('IST') !== true),
    ...istioAnalyzers.filter(({ name }) => !without.includes(name)).flatMap((one) => one.analyze(world)),
  ];
  const isSuppressed = suppressor(documents, options.suppressions ?? []);
  const findings = problems
    .map(withCode)
    .filter((finding) => !isSuppressed(finding) && isOf(options.namespace, finding))
    .sort(byPlace);
  return { findings, documents: documents.length };
}

function withCode(problem: Problem): Finding {
  const code = (problem.code ?? ofDecoding[problem.level]) as Code;
  return { ...problem, code, documentation: documentationOf(code) };
}

/** Codes of what decoding says of a document. */
const ofDecoding: Readonly<Record<Problem['level'], Code>> = {
  error: 'IST0106',
  warning: 'IST0133',
  info: 'HED0002',
};

function isOf(namespace: string | undefined, { resource }: Finding): boolean {
  if (namespace === undefined || resource?.includes('/') !== true) return true;
  return resource.slice(resource.indexOf(' ') + 1).startsWith(`${namespace}/`);
}

function byPlace({ at: a }: Finding, { at: b }: Finding): number {
  if (a === undefined || b === undefined) return Number(b === undefined) - Number(a === undefined);
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line || a.column - b.column;
}
