/** Route tables by chance, and requests that just match their routes or just do not. */
import { extension, type Message } from '../harness/bootstrap.ts';
import type { Draw } from '../harness/draw.ts';

const chance = (draw: Draw, of: number): boolean => draw.next() < of;

const some = <Item>(draw: Draw, max: number, one: () => Item): Item[] =>
  Array.from({ length: draw.int(0, max) }, one);

/** Few letters, so that texts are prefixes of others, and of paths. */
const LETTERS = ['a', 'A', 'b', 'ab', 'x', '/', '/', '.', '-', '%41', '~', ';p=1', '@', '|', '"'];
const SAFE = LETTERS.filter((letter) => !['/', '|', '"'].includes(letter));

const pathText = (draw: Draw, letters = LETTERS): string =>
  `/${some(draw, 5, () => draw.pick(letters)).join('')}`;

const segment = (draw: Draw): string => draw.pick(SAFE) + some(draw, 1, () => draw.pick(SAFE)).join('');

const escaped = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A template that Envoy takes, and its variables. */
function template(draw: Draw): { readonly text: string; readonly variables: string[] } {
  const variables: string[] = [];
  let globs = true;
  const glob = (): string => {
    if (chance(draw, 0.8)) return '*';
    globs = false;
    return '**';
  };
  const name = (): string => {
    variables.push(`v${variables.length}`);
    return variables.at(-1)!;
  };
  const parts = Array.from({ length: draw.int(1, 4) }, (): string => {
    if (!globs || variables.length >= 5) return segment(draw);
    switch (draw.int(0, 6)) {
      case 0:
        return glob();
      case 1:
        return `{${name()}}`;
      case 2:
        return `${segment(draw)}{${name()}}`;
      case 3:
        return `{${name()}=${glob()}}${draw.pick(['', '.x'])}`;
      case 4:
        return `{${name()}=${segment(draw)}/${glob()}}`;
      case 5:
        return `${segment(draw)}{${name()}}${segment(draw)}`;
      default:
        return segment(draw);
    }
  });
  const end = draw.pick(['', '', '', parts.at(-1)!.endsWith('*') ? '.x' : '', '/']);
  return { text: `/${parts.join('/')}${end}`, variables };
}

interface Match {
  readonly match: Message;
  readonly variables?: readonly string[];
}

function pathMatch(draw: Draw): Match {
  const text = pathText(draw);
  const anyCase = chance(draw, 0.2) ? { case_sensitive: false } : {};
  switch (draw.int(0, 6)) {
    case 0:
      return { match: { path: text, ...anyCase } };
    case 1:
      return { match: { path_separated_prefix: text.replace(/\/+$/, '') || '/a', ...anyCase } };
    case 2: {
      const regex = escaped(text) + draw.pick(['', '.*', '/?', '+', '[^/]*', '(/b)?', '|/a.*']);
      return { match: { safe_regex: { regex } } };
    }
    case 3:
    case 4: {
      const { text: path_template, variables } = template(draw);
      return {
        match: {
          path_match_policy: extension('t', 'path.match.uri_template.v3.UriTemplateMatchConfig', {
            path_template,
          }),
        },
        variables,
      };
    }
    default:
      return { match: { prefix: text, ...anyCase } };
  }
}

const WORDS = ['a', 'b', 'ab', 'A', '', '5', '17', '-3', 'a b', 'b,a'];

function textMatcher(draw: Draw): Message {
  const word = draw.pick(WORDS.filter((text) => text !== ''));
  const kind = draw.pick(['exact', 'prefix', 'suffix', 'contains', 'safe_regex']);
  if (kind === 'safe_regex')
    return { safe_regex: { regex: `${escaped(word)}${draw.pick(['', '.*', '+', '?'])}` } };
  return { [kind]: word, ...(chance(draw, 0.3) ? { ignore_case: true } : {}) };
}

function headerMatch(draw: Draw): Message {
  const flags = {
    ...(chance(draw, 0.3) ? { invert_match: true } : {}),
    ...(chance(draw, 0.2) ? { treat_missing_header_as_empty: true } : {}),
  };
  const name = draw.pick(['x-a', 'x-b', 'X-A', ':method', ':path', ':authority', ':scheme']);
  switch (draw.int(0, 4)) {
    case 0:
      return { name, present_match: chance(draw, 0.7), ...flags };
    case 1:
      return { name, range_match: { start: draw.int(-5, 6), end: draw.int(6, 20) }, ...flags };
    default:
      return { name, string_match: textMatcher(draw), ...flags };
  }
}

function queryMatch(draw: Draw): Message {
  const name = draw.pick(['p', 'q']);
  return chance(draw, 0.4)
    ? { name, present_match: chance(draw, 0.7) }
    : { name, string_match: textMatcher(draw) };
}

const cookieMatch = (draw: Draw): Message => ({
  name: draw.pick(['c', 'd']),
  string_match: textMatcher(draw),
  ...(chance(draw, 0.3) ? { invert_match: true } : {}),
});

/** At most one of the ways a path is rewritten, and one for the host. */
function rewrites(draw: Draw, variables: readonly string[] | undefined): Message {
  const path = ((): Message => {
    if (variables !== undefined && chance(draw, 0.7)) {
      const parts = draw
        .shuffle(variables)
        .map((name) => draw.pick([`{${name}}`, `/x-{${name}}`, `{${name}}/`]));
      return {
        path_rewrite_policy: extension('r', 'path.rewrite.uri_template.v3.UriTemplateRewriteConfig', {
          path_template_rewrite: `/echo/${parts.join('-')}`.replaceAll(/\/+/g, '/'),
        }),
      };
    }
    switch (draw.int(variables === undefined ? 0 : 1, 3)) {
      case 0:
        return { prefix_rewrite: draw.pick(['/', '/new', '/new/']) };
      case 1:
        return {
          regex_rewrite: {
            pattern: { regex: draw.pick(['a', '/', 'a(b?)', '[ab]+']) },
            substitution: '_\\0_',
          },
        };
      default:
        return {};
    }
  })();
  const host = draw.pick<Message>([
    {},
    {},
    { host_rewrite_literal: 'new.example' },
    { host_rewrite_header: 'x-a' },
    { host_rewrite_path_regex: { pattern: { regex: '^/([a-b]*).*$' }, substitution: '\\1.example' } },
  ]);
  return { ...path, ...host };
}

/** A route that tells its name: the answer is its own, or that of the backend, which shows what it got. */
function routeOf(draw: Draw, name: string): Message {
  const { match, variables } = pathMatch(draw);
  const headers = some(draw, 2, () => headerMatch(draw)).slice(0, draw.int(0, 2));
  const query_parameters = chance(draw, 0.25) ? [queryMatch(draw)] : [];
  const cookies = chance(draw, 0.2) ? [cookieMatch(draw)] : [];
  const response_headers_to_add = [{ header: { key: 'x-route', value: name } }];
  const full = { name, match: { ...match, headers, query_parameters, cookies }, response_headers_to_add };
  const kind = draw.int(0, 9);
  if (kind < 5) return { ...full, direct_response: { status: 200, body: { inline_string: name } } };
  if (kind < 9) return { ...full, route: { cluster: 'a', ...rewrites(draw, variables) } };
  const path = draw.pick<Message>([
    { path_redirect: '/there' },
    ...(variables === undefined ? [{ prefix_rewrite: '/new' }] : []),
    { regex_rewrite: { pattern: { regex: 'a' }, substitution: '_' } },
    {},
  ]);
  return {
    ...full,
    redirect: {
      ...path,
      ...draw.pick<Message>([{}, { host_redirect: 'there.example' }, { https_redirect: true }]),
      ...(chance(draw, 0.3) ? { strip_query: true } : {}),
    },
  };
}

/** @param most routes it may have */
export function drawTable(draw: Draw, name: string, most: number): Message[] {
  return Array.from({ length: draw.int(1, most) }, (_, i) => routeOf(draw, `${name}-${i}`));
}

export interface DrawnRequest {
  readonly path: string;
  readonly headers: readonly string[];
}

/** @returns a path of the letters of tables, or one that is near a template */
export function drawRequest(draw: Draw): DrawnRequest {
  const path = chance(draw, 0.6)
    ? pathText(draw)
    : `/${Array.from({ length: draw.int(1, 4) }, () => segment(draw)).join('/')}${draw.pick(['', '', '/', '.x'])}`;
  const query = chance(draw, 0.4)
    ? `?${some(draw, 2, () => `${draw.pick(['p', 'q'])}${draw.pick(['', '='])}${draw.pick(['a', 'b', 'ab', '5'])}`).join('&')}`
    : '';
  const headers = [
    ...some(draw, 2, () => `${draw.pick(['x-a', 'x-b'])}: ${draw.pick(WORDS)}`),
    ...(chance(draw, 0.4) ? [`cookie: c=${draw.pick(['a', 'b', '"a"'])}; d=${draw.pick(['a', 'ab'])}`] : []),
  ];
  return { path: path + query, headers };
}
