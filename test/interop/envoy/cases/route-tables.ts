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

/** All or nothing, by a key or without: what is drawn is not compared. */
function fraction(draw: Draw): Message {
  const numerator = draw.pick([0, 100]);
  const key = draw.pick(['', 'share.none', 'share.all', 'share.unset']);
  return { runtime_fraction: { default_value: { numerator, denominator: 'HUNDRED' }, runtime_key: key } };
}

/** What {@link metadata} is asked for. */
function metadataMatch(draw: Draw): Message {
  const key = draw.pick(['text', 'number', 'bool', 'list', 'absent']);
  const value = draw.pick<Message>([
    { string_match: textMatcher(draw) },
    { double_match: draw.pick<Message>([{ exact: 5 }, { range: { start: draw.int(3, 6), end: 6 } }]) },
    { bool_match: chance(draw, 0.5) },
    { present_match: chance(draw, 0.7) },
    { null_match: {} },
    { list_match: { one_of: { string_match: textMatcher(draw) } } },
    { or_match: { value_matchers: [{ string_match: textMatcher(draw) }, { bool_match: true }] } },
  ]);
  return { filter: 'meta', path: [{ key }], value, ...(chance(draw, 0.3) ? { invert: true } : {}) };
}

/** Dynamic metadata of all requests. */
export const metadata: Message = { text: 'ab', number: 5, bool: true, list: ['a', 'b'] };

/** Clusters `a` and `b` by a number or a hash that the request has, so that nothing is left to chance. */
function choice(draw: Draw): Message {
  const clusters = draw
    .shuffle(['a', 'b', 'a'])
    .map((name) => ({ name, weight: draw.int(0, 50) }))
    .concat({ name: 'b', weight: 1 });
  const prefix = chance(draw, 0.3) ? { runtime_key_prefix: 'weights' } : {};
  return chance(draw, 0.5)
    ? {
        weighted_clusters: { clusters, ...prefix, use_hash_policy: true },
        hash_policy: [
          { header: { header_name: 'x-random' } },
          ...(chance(draw, 0.5) ? [{ query_parameter: { name: 'p' } }] : []),
        ],
      }
    : { weighted_clusters: { clusters, ...prefix, header_name: 'x-random' } };
}

/** Figures of their own for some requests. */
export const drawVirtualClusters = (draw: Draw): Message[] =>
  some(draw, 3, () => ({
    name: draw.pick(['one', 'two', 'three']),
    headers: [headerMatch(draw), ...some(draw, 1, () => headerMatch(draw))],
  }));

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
    switch (draw.int(variables === undefined ? 0 : 1, 4)) {
      case 2:
        return { path_rewrite: draw.pick(['/f/%REQ(x-a)%', '%REQ(x-b)%', '/%REQ(x-a?x-b)%/%PROTOCOL%']) };
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
    { host_rewrite: draw.pick(['%REQ(x-b)%.example', 'f-%REQ(x-a?:METHOD)%']) },
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
  const more = {
    ...(chance(draw, 0.15) ? fraction(draw) : {}),
    dynamic_metadata: chance(draw, 0.15) ? [metadataMatch(draw)] : [],
  };
  const full = {
    name,
    match: { ...match, headers, query_parameters, cookies, ...more },
    response_headers_to_add,
    ...(chance(draw, 0.2) ? { stat_prefix: draw.pick(['p', 'q']) } : {}),
  };
  const kind = draw.int(0, 9);
  if (kind < 5) {
    const format = chance(draw, 0.2)
      ? { body_format: { text_format_source: { inline_string: '%LOCAL_REPLY_BODY% %REQ(x-a)%' } } }
      : {};
    const status = draw.pick([200, 200, 201, 302]);
    return { ...full, direct_response: { status, body: { inline_string: name }, ...format } };
  }
  if (kind < 9) {
    const to = chance(draw, 0.3) ? choice(draw) : { cluster: 'a' };
    return { ...full, route: { ...to, ...rewrites(draw, variables) } };
  }
  const path = draw.pick<Message>([
    { path_redirect: '/there' },
    ...(variables === undefined ? [{ prefix_rewrite: '/new' }] : []),
    { regex_rewrite: { pattern: { regex: 'a' }, substitution: '_' } },
    { path_rewrite: '/f/%REQ(x-a)%' },
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
    // Without it the choice of a cluster is left to chance.
    `x-random: ${draw.pick(['0', '7', '31', '999', '18446744073709551615'])}`,
    ...(chance(draw, 0.4) ? [`cookie: c=${draw.pick(['a', 'b', '"a"'])}; d=${draw.pick(['a', 'ab'])}`] : []),
  ];
  return { path: path + query, headers };
}
