/** Whether an observation is what a case says of Envoy. */
import type { ClientView, Expectation, Observation } from './case.ts';

type Patterns = Expectation['client'] | 'nothing';

/** What is missing, in words; '' when all is there. */
export function unmet(expect: Expectation, view: ClientView, observation: Observation): string {
  const { client, upstream, log, stats } = observation;
  const missing: string[] = [];
  const look = (what: string, lines: readonly string[], patterns: Patterns): void => {
    if (patterns === undefined) return;
    if (patterns === 'nothing') {
      if (lines.length > 0) missing.push(`${what} is there`);
      return;
    }
    const text = lines.join('\n');
    for (const pattern of [patterns].flat())
      if (!matches(pattern, text)) missing.push(`${what} has no ${pattern}`);
  };
  const statuses = expect.status === undefined ? undefined : [expect.status].flat();
  if (statuses !== undefined && String(statuses) !== String(view.statuses))
    missing.push(`status ${view.statuses} is not ${statuses}`);
  if (expect.connection !== undefined && expect.connection !== view.connection)
    missing.push(`the connection is ${view.connection}`);
  look('client', client, expect.client);
  look('upstream', upstream, expect.upstream);
  look('log', log, expect.log);
  for (const pattern of [expect.never ?? []].flat())
    if (matches(pattern, [...client, ...upstream].join('\n'))) missing.push(`${pattern} is there`);
  for (const [name, delta] of Object.entries(expect.stats ?? {}))
    if ((stats[name] ?? 0) !== delta) missing.push(`${name} rose by ${stats[name] ?? 0}, not ${delta}`);
  return missing.join('; ');
}

/** `^` and `$` are those of lines. */
const matches = (pattern: RegExp, text: string): boolean =>
  new RegExp(pattern.source, `${pattern.flags.replace(/[mg]/g, '')}m`).test(text);
