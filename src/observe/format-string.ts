/**
 * Envoy's format strings: text with commands such as `%REQ(X-REQUEST-ID?:PATH):10%`, `%%` for a
 * percent sign (Envoy, "Access logging", "Command operators").
 */
import type { Parsed, Problem } from '#core/problem.ts';

export interface Command {
  readonly name: string;
  /** What stands between the parentheses; undefined without them. */
  readonly argument: string | undefined;
  /** Longest output in characters; undefined is no limit. */
  readonly maxLength: number | undefined;
}

/** A literal text or a command. */
export type FormatPart = string | Command;

const command = /%([A-Z0-9_]+)(?:\(([^)]*)\))?(?::([0-9]+))?%/y;

export function parseFormat(format: string): Parsed<readonly FormatPart[]> {
  const parts: FormatPart[] = [];
  const problems: Problem[] = [];
  let literal = '';
  let at = 0;
  while (at < format.length) {
    const percent = format.indexOf('%', at);
    if (percent === -1) {
      literal += format.slice(at);
      break;
    }
    literal += format.slice(at, percent);
    if (format[percent + 1] === '%') {
      literal += '%';
      at = percent + 2;
      continue;
    }
    command.lastIndex = percent;
    const found = command.exec(format);
    if (found === null) {
      problems.push({
        level: 'error',
        message: `incorrect format at "${format.slice(percent, percent + 20)}": no command operator`,
      });
      break;
    }
    if (literal !== '') parts.push(literal);
    literal = '';
    const [whole, name, argument, length] = found;
    parts.push({ name: name!, argument, maxLength: length === undefined ? undefined : Number(length) });
    at = percent + whole.length;
  }
  if (literal !== '') parts.push(literal);
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value: parts, problems };
}
