/** Istio's `exportTo`: the namespaces that see a resource. */
import { list } from './decode/collection.ts';
import type { Decoder, Path, Report } from './decode/decoder.ts';
import { type Field, optional } from './decode/object.ts';
import { text } from './decode/scalar.ts';
import { refined } from './decode/schema.ts';

/** `*`: all; `.`: the own one; `~`: none; else names of namespaces. Empty or absent: what the mesh says. */
export type ExportTo = readonly string[];

/** What holds where neither a resource nor the mesh says otherwise. */
export const everywhere: ExportTo = ['*'];

const word: Decoder<string> = refined(text, (decoded, path, report) => {
  if (/^(?:[*.~]|[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)$/.test(decoded)) return decoded;
  const message = `${JSON.stringify(decoded)} is neither "*" (all), "." (the own one) nor a namespace`;
  return report.error(path, message);
});

const words = list(word);

/** @param hides whether `~` may be said: a thing that is there for nobody */
function exportToOf(hides: boolean): Decoder<ExportTo> {
  return refined(words, (decoded, path, report) =>
    isSound(decoded, hides, path, report) ? decoded : undefined,
  );
}

/** Whether it says one thing only (Istio's validation). */
function isSound(decoded: ExportTo, hides: boolean, path: Path, report: Report): boolean {
  const repeated = decoded.findIndex((one, index) => decoded.indexOf(one) < index);
  if (repeated >= 0) report.error([...path, repeated], `"${decoded[repeated]}" is there twice`);
  const wide = decoded.indexOf('*');
  if (wide >= 0 && decoded.length > 1)
    report.error([...path, wide], '"*" is every namespace: nothing else may stand beside it');
  const none = decoded.indexOf('~');
  if (none >= 0 && !hides)
    report.error([...path, none], '"~" (nobody) has no meaning here', 'delete the resource, or write "."');
  else if (none >= 0 && decoded.length > 1)
    report.error([...path, none], '"~" is nobody: nothing else may stand beside it');
  return repeated < 0 && (wide < 0 || decoded.length === 1) && (none < 0 || (hides && decoded.length === 1));
}

/** Of configuration: a rule for nobody would be none. */
export const configExportTo: Decoder<ExportTo> = exportToOf(false);

/** Of hosts. */
export const hostExportTo: Decoder<ExportTo> = exportToOf(true);

const spelling =
  '`*`: all; `.`: the own one; or their names. Without it what the mesh says, and that is all.';

export const exportTo: Field<ExportTo, 'optional'> = optional(
  configExportTo,
  `Namespaces whose proxies it is for: ${spelling}`,
);

export const entryExportTo: Field<ExportTo, 'optional'> = optional(
  hostExportTo,
  `Namespaces whose proxies know the hosts; \`~\`: none; ${spelling}`,
);

/** Of a Service of Kubernetes: the same, separated by commas. */
export const exportToAnnotation = 'networking.istio.io/exportTo';

export const annotatedExportTo: Decoder<ExportTo> = (value, path, report) =>
  hostExportTo(splitWords(String(value)), path, report);

export function splitWords(written: string): readonly string[] {
  return written
    .split(',')
    .map((one) => one.trim())
    .filter((one) => one !== '');
}

/** Who writes an empty list has said nothing (Istio). @param mesh what holds then */
export function saidOr(written: ExportTo | undefined, mesh: ExportTo): ExportTo {
  return written === undefined || written.length === 0 ? mesh : written;
}

/** Whether workloads of `namespace` see what is in `own`. */
export function isExportedTo(exportTo: ExportTo, own: string, namespace: string): boolean {
  return exportTo.some((one) => one === '*' || one === namespace || (one === '.' && own === namespace));
}
