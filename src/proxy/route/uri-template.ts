/**
 * Templates of paths, `/videos/{id}/*.m4s`, and paths made of what they found (Envoy,
 * `UriTemplateMatchConfig` and `UriTemplateRewriteConfig`). What is a template was found out from Envoy 1.40.
 */
import { ownRegex } from '#core/regex.ts';

export interface UriTemplate {
  /** What every path begins with that matches. */
  readonly literalPrefix: string;
  readonly variables: readonly string[];
  /** @param path without query and fragment */
  matches(path: string): boolean;
  /** The path that a rewrite makes of one that matches; undefined where it does not. */
  rewrite(path: string, parts: UriRewrite): string | undefined;
}

/** Texts, and positions among the variables of a template. */
export type UriRewrite = readonly (string | number)[];

type Compiled<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

const MAX_LENGTH = 256;
const MAX_VARIABLES = 5;
const MAX_NAME_LENGTH = 16;
const NAME = /^[A-Za-z][A-Za-z0-9_]*$/;
const GRAPHIC = /^\/[!-~]*$/;
/** Characters of a segment: RFC 3986's `pchar`. */
const PCHAR = `A-Za-z0-9._~%!$&'()+,;:@=*-`;
const LITERAL = ownRegex(`[${PCHAR}]+`);
const TEXT = ownRegex(`[${PCHAR}/]+`);
const SEGMENT = `[${PCHAR}]+`;
const SEGMENTS = `[${PCHAR}/]*`;

/** The parts of a template as a regular expression, and what is known of them so far. */
class TemplateParser {
  pattern = '';
  readonly variables: string[] = [];
  literalPrefix = '';
  #anyGlob = false;
  #textGlob = false;
  /** What is wrong first. */
  reason: string | undefined;

  constructor(source: string) {
    if (source === '' || source.length > MAX_LENGTH) this.#fail(`must have 1 to ${MAX_LENGTH} characters`);
    else if (!GRAPHIC.test(source))
      this.#fail('must begin with "/" and have only printable characters of ASCII');
    let rest = source;
    while (rest !== '' && this.reason === undefined) {
      this.#literal('/');
      rest = this.#segment(rest.slice(1));
    }
  }

  #fail(reason: string): string {
    this.reason ??= reason;
    return '';
  }

  #literal(text: string): void {
    this.pattern += text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
    if (!this.#anyGlob) this.literalPrefix += text;
  }

  #checkedLiteral(text: string): void {
    if (!LITERAL.test(text)) this.#fail(`${JSON.stringify(text)} cannot stand in a path`);
    this.#literal(text);
  }

  /** @returns what it stands for */
  #glob(operator: '*' | '**'): string {
    if (this.#textGlob) this.#fail('nothing but text may follow "**"');
    this.#anyGlob = true;
    this.#textGlob = operator === '**';
    return operator === '**' ? SEGMENTS : SEGMENT;
  }

  /** Reads what stands between two slashes, and returns the rest, which is empty or begins with one. */
  #segment(text: string): string {
    if (text === '') return '';
    if (text.startsWith('*')) {
      const operator = text.startsWith('**') ? '**' : '*';
      this.pattern += this.#glob(operator);
      const { head: suffix, rest } = cut(text.slice(operator.length), '/');
      if (suffix === '') return rest;
      if (rest !== '') return this.#fail(`what follows "${operator}" in its segment must end the template`);
      this.#checkedLiteral(suffix);
      return '';
    }
    const { head, rest } = cut(text, text.startsWith('{') ? '}' : '/');
    const open = head.indexOf('{');
    const close = text.indexOf('}', open);
    if (open === -1 || (open > 0 && !head.includes('}', open))) {
      if (head === '') return this.#fail('has an empty segment');
      this.#checkedLiteral(head);
      return rest;
    }
    if (close === -1) return this.#fail('has a "{" without its "}"');
    if (open > 0) this.#checkedLiteral(text.slice(0, open));
    this.#variable(text.slice(open + 1, close));
    const after = cut(text.slice(close + 1), '/');
    if (after.head !== '') this.#checkedLiteral(after.head);
    return after.rest;
  }

  /** @param text between the braces: `name` or `name=pattern` */
  #variable(text: string): void {
    const equals = text.indexOf('=');
    const name = equals === -1 ? text : text.slice(0, equals);
    if (!NAME.test(name)) this.#fail(`${JSON.stringify(name)} is no name of a variable`);
    if (name.length > MAX_NAME_LENGTH)
      this.#fail(`the name "${name}" has more than ${MAX_NAME_LENGTH} characters`);
    if (this.variables.includes(name)) this.#fail(`has two variables "${name}"`);
    this.variables.push(name);
    if (this.variables.length > MAX_VARIABLES) this.#fail(`has more than ${MAX_VARIABLES} variables`);
    this.pattern += '(';
    const parts = equals === -1 ? ['*'] : text.slice(equals + 1).split('/');
    parts.forEach((part, i) => {
      if (i > 0) this.#literal('/');
      if (part === '*' || part === '**') this.pattern += this.#glob(part);
      else if (part.startsWith('*')) this.#fail(`"${part}" of a variable must be "*", "**" or a text`);
      else this.#checkedLiteral(part);
    });
    this.pattern += ')';
  }
}

/** The text before the first `end`, or all of it, and the rest. */
function cut(text: string, end: string): { readonly head: string; readonly rest: string } {
  const at = text.indexOf(end);
  return at === -1 ? { head: text, rest: '' } : { head: text.slice(0, at), rest: text.slice(at) };
}

export function compileUriTemplate(source: string): Compiled<UriTemplate> {
  const { pattern, reason, variables, literalPrefix } = new TemplateParser(source);
  if (reason !== undefined) return { ok: false, reason };
  // A segment ends where a slash is, and one part alone has slashes: nothing is tried more than once a character.
  const regex = ownRegex(pattern);
  return {
    ok: true,
    value: {
      literalPrefix,
      variables,
      matches: (path) => regex.test(path),
      rewrite(path, parts) {
        const groups = regex.exec(path);
        if (groups === null) return undefined;
        let made = '';
        for (const part of parts) made += typeof part === 'string' ? part : groups[part + 1];
        return made;
      },
    },
  };
}

/** Reads `path_template_rewrite` for a template that has these variables. */
export function compileUriRewrite(source: string, variables: readonly string[]): Compiled<UriRewrite> {
  if (source === '' || source.length > MAX_LENGTH)
    return { ok: false, reason: `must have 1 to ${MAX_LENGTH} characters` };
  if (!source.startsWith('/')) return { ok: false, reason: 'must begin with "/"' };
  if (source.includes('//')) return { ok: false, reason: 'has an empty segment' };
  const parts: (string | number)[] = [];
  for (const part of source.split(/(\{[^{}]*\})/)) {
    if (part === '') continue;
    if (!part.startsWith('{') || !part.endsWith('}')) {
      if (!TEXT.test(part)) return { ok: false, reason: `${JSON.stringify(part)} cannot stand in a path` };
      parts.push(part);
      continue;
    }
    const name = part.slice(1, -1);
    const position = variables.indexOf(name);
    if (position === -1) return { ok: false, reason: `the template has no variable "${name}"` };
    parts.push(position);
  }
  return { ok: true, value: parts };
}
