/** `exportTo`: the namespaces that see a document. */
import type { AnalysisDocument } from '../document.ts';
import { asTexts } from '../loose.ts';

/** Namespaces, or `*`. */
function seenBy({ spec, namespace }: AnalysisDocument): readonly string[] {
  const written = asTexts(spec.exportTo).map((one) => (one === '.' ? namespace : one));
  return written.length === 0 ? ['*'] : written;
}

/** Whether some namespace sees both. */
export function visibleTogether(a: AnalysisDocument, b: AnalysisDocument): boolean {
  const [ofA, ofB] = [seenBy(a), seenBy(b)];
  const isNone = (list: readonly string[]): boolean => list.includes('~');
  if (isNone(ofA) || isNone(ofB)) return false;
  return ofA.includes('*') || ofB.includes('*') || ofA.some((namespace) => ofB.includes(namespace));
}
