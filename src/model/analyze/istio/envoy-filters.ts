/** EnvoyFilters: operations that are ignored where they stand, and those that depend on others (IST0151 to 0155). */
import type { Analyzer } from '../analyzer.ts';
import type { AnalysisDocument } from '../document.ts';
import { asNumber, asObjects, asText, valueAt } from '../loose.ts';
import { type Message, message } from '../message.ts';

/** What cannot be added to or removed from. */
const routes: readonly unknown[] = ['ROUTE_CONFIGURATION', 'HTTP_ROUTE'];
const filters: readonly unknown[] = ['NETWORK_FILTER', 'HTTP_FILTER'];
const replaceable: readonly unknown[] = [...filters, 'VIRTUAL_HOST'];
/** Operations on a thing that another patch may have to bring first. */
const relative: readonly unknown[] = ['INSERT_BEFORE', 'INSERT_AFTER', 'REMOVE', 'REPLACE', 'MERGE'];

export const envoyPatchAnalyzer: Analyzer = {
  name: 'envoyfilter.EnvoyPatchAnalyzer',
  description: 'Patches that are ignored, and patches whose order nothing says',
  codes: ['IST0151', 'IST0152', 'IST0153', 'IST0154', 'IST0155'],
  analyze: (world) => world.istio('EnvoyFilter').flatMap(patchMessages),
};

function patchMessages(filter: AnalysisDocument): Message[] {
  const messages: Message[] = [];
  const first = new Map<'IST0151' | 'IST0155', Message>();
  for (const [index, patch] of asObjects(filter.spec.configPatches).entries()) {
    const path = ['spec', 'configPatches', index, 'patch', 'operation'];
    const { applyTo } = patch;
    const operation = valueAt(patch, 'patch', 'operation');
    if (operation === 'ADD' && routes.includes(applyTo)) {
      messages.push(message('IST0153', filter, path, `ADD is ignored for ${String(applyTo)}`));
    } else if (operation === 'REMOVE' && routes.includes(applyTo)) {
      messages.push(message('IST0154', filter, path, `REMOVE is ignored for ${String(applyTo)}`));
    } else if (operation === 'REPLACE' && !replaceable.includes(applyTo)) {
      const text = `REPLACE is for NETWORK_FILTER, HTTP_FILTER and VIRTUAL_HOST, not for ${String(applyTo)}`;
      messages.push(message('IST0152', filter, path, text));
    } else if (isRelative(filter, applyTo, operation)) {
      const ofVersion = asText(valueAt(patch, 'match', 'proxy', 'proxyVersion')) !== undefined;
      const code = ofVersion ? 'IST0155' : 'IST0151';
      if (!first.has(code)) first.set(code, relativeMessage(code, filter, path, String(operation)));
    }
  }
  return [...messages, ...first.values()];
}

function isRelative(filter: AnalysisDocument, applyTo: unknown, operation: unknown): boolean {
  const hasPriority = (asNumber(filter.spec.priority) ?? 0) !== 0;
  return !hasPriority && filters.includes(applyTo) && relative.includes(operation);
}

function relativeMessage(
  code: 'IST0151' | 'IST0155',
  filter: AnalysisDocument,
  path: readonly (string | number)[],
  operation: string,
): Message {
  const when = code === 'IST0155' ? ', and for some versions of the proxy alone' : '';
  const text = `${operation} needs what it refers to, which may come later: there is no priority${when}`;
  return message(code, filter, path, text, 'write priority, or INSERT_FIRST or ADD');
}
