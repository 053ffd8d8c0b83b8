/** Rules of VirtualServices that nothing reaches (IST0130), and conditions that add nothing (IST0131). */
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asObject, asObjects, asText, type Raw, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';

export const unreachableAnalyzer: Analyzer = {
  name: 'schemaValidation.CollectionValidationAnalyzer',
  description: 'Rules and conditions that earlier ones leave nothing for',
  codes: ['IST0130', 'IST0131'],
  analyze: (world) =>
    world
      .istio('VirtualService')
      .flatMap((document) => ['http', 'tls', 'tcp'].flatMap((protocol) => ruleMessages(document, protocol))),
};

interface Condition {
  readonly raw: Raw;
  /** Without the name: equal where two conditions are. */
  readonly text: string;
  readonly rule: number;
}

function ruleMessages(document: AnalysisDocument, protocol: string): Message[] {
  const messages: Message[] = [];
  const earlier: Condition[] = [];
  const written = new Map<string, Condition>();
  let takesAll: number | undefined;
  for (const [rule, { match }] of asObjects(document.spec[protocol]).entries()) {
    const path = ['spec', protocol, rule];
    if (takesAll !== undefined) {
      const text = `is never reached: rule ${takesAll} takes every request`;
      messages.push(message('IST0130', document, path, text, `put it before rule ${takesAll}`));
      continue;
    }
    const conditions = asObjects(match);
    if (conditions.length === 0) takesAll = rule;
    let duplicates = 0;
    for (const [index, raw] of conditions.entries()) {
      const condition: Condition = { raw, rule, text: textOf(raw) };
      const same = written.get(condition.text);
      const wider = same ?? earlier.find((one) => covers(one.raw, raw));
      if (same !== undefined) duplicates++;
      if (wider === undefined) {
        earlier.push(condition);
      } else {
        const how = same === undefined ? 'is covered by one' : 'stands already';
        messages.push(
          message('IST0131', document, [...path, 'match', index], `${how} in rule ${wider.rule}`),
        );
      }
      if (same === undefined) written.set(condition.text, condition);
    }
    if (conditions.length > 0 && duplicates === conditions.length) {
      const text = 'is never reached: earlier rules have all of its conditions';
      messages.push(message('IST0130', document, path, text));
    }
  }
  return messages;
}

/** The same whatever the order of keys. */
function textOf({ name: _, ...raw }: Raw): string {
  return JSON.stringify(raw, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
}

/** Whether a condition on the beginning of paths takes all that another on longer ones takes. */
function covers({ name: _, uri, ...others }: Raw, narrow: Raw): boolean {
  const wide = prefixOf(uri);
  const longer = prefixOf(narrow.uri);
  if (wide === undefined || longer === undefined || !longer.startsWith(wide)) return false;
  return Object.entries(others).every(
    ([field, value]) => textOf(asObject({ value })) === textOf(asObject({ value: narrow[field] })),
  );
}

function prefixOf(uri: unknown): string | undefined {
  return asText(valueAt(uri, 'prefix'));
}
