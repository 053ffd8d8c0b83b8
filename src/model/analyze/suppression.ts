/** Messages that somebody does not want to see: by annotation of what they are about, or on the command line. */
import type { Problem } from '#core/problem.ts';
import type { AnalysisDocument } from './document.ts';

/** On a document: codes, separated by commas; `*` for all. */
export const suppressAnnotation = 'galley.istio.io/analyze-suppress';

export interface Suppression {
  /** `*` stands for all. */
  readonly code: string;
  readonly kind: string;
  /** `name.namespace`, or a name where the kind has no namespace; `*` stands for any letters. */
  readonly name: RegExp;
}

/** `IST0101=Service details.default`; undefined where it is none. */
export function parseSuppression(written: string): Suppression | undefined {
  const parts = /^(\*|[A-Z]{3}\d{4})=(\*|[A-Za-z]+) (\S+)$/.exec(written);
  if (parts === null) return undefined;
  const [, code = '', kind = '', name = ''] = parts;
  const pattern = name
    .split('*')
    .map((part) => part.replace(/[.\\+?^${}()|[\]]/g, '\\$&'))
    .join('.*');
  return { code, kind, name: new RegExp(`^(?:${pattern})$`) };
}

/** Tells what is suppressed. */
export function suppressor(
  documents: readonly AnalysisDocument[],
  suppressions: readonly Suppression[],
): (problem: Problem) => boolean {
  const annotated = new Map(
    documents.flatMap(({ key, annotations }) => {
      const written = annotations[suppressAnnotation];
      return written === undefined ? [] : [[key, written.split(',').map((code) => code.trim())] as const];
    }),
  );
  return ({ code, resource }) => {
    if (code === undefined || resource === undefined) return false;
    const codes = annotated.get(resource) ?? [];
    if (codes.includes('*') || codes.includes(code)) return true;
    const [kind = '', place = ''] = resource.split(' ');
    const [namespace, name] = place.includes('/') ? place.split('/') : [undefined, place];
    const full = namespace === undefined ? place : `${name}.${namespace}`;
    return suppressions.some(
      (one) =>
        (one.code === '*' || one.code === code) &&
        (one.kind === '*' || one.kind === kind) &&
        (one.name.test(full) || one.name.test(place)),
    );
  };
}
