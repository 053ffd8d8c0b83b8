/** `heddle pc routes`: NAME, VHOST NAME, DOMAINS, MATCH, VIRTUAL SERVICE; one row for each route. */
import { type Json, object, objects, owner, text } from './config-dump.ts';
import type { View } from './view.ts';

export interface RouteFilters {
  readonly name?: string;
}

/** More domains than this are counted, not listed (istioctl). */
const SHOWN_DOMAINS = 2;

export const routesView: View<RouteFilters> = {
  headers: ['NAME', 'VHOST NAME', 'DOMAINS', 'MATCH', 'VIRTUAL SERVICE'],
  rows({ dump }, { name }) {
    return dump.routes
      .filter((route) => name === undefined || text(route.name) === name)
      .toSorted((a, b) => (sortKey(a) < sortKey(b) ? -1 : 1))
      .flatMap((resource) =>
        objects(resource.virtual_hosts).flatMap((host) =>
          objects(host.routes).map((route) => ({
            resource,
            cells: [
              text(resource.name),
              text(host.name),
              domains(host.domains),
              matchText(object(route.match)),
              owner(route) + actionNote(route),
            ],
          })),
        ),
      );
  },
};

/** Ports in order of number, other names after them. */
function sortKey(route: Json): string {
  const name = text(route.name);
  return /^\d+$/.test(name) ? `0${name.padStart(5, '0')}` : `1${name}`;
}

function domains(value: unknown): string {
  const all = Array.isArray(value) ? value.map(text) : [];
  const shown = all.slice(0, SHOWN_DOMAINS).join(', ');
  return all.length > SHOWN_DOMAINS ? `${shown} + ${all.length - SHOWN_DOMAINS} more...` : shown;
}

/** The path as a glob: `/api*` is a prefix, `/api` exact, `regex /a.c` a regular expression. */
export function pathMatch(match: Json): string {
  if (typeof match.path === 'string') return match.path;
  if (typeof match.prefix === 'string') return `${match.prefix}*`;
  if (typeof match.path_separated_prefix === 'string') return `${match.path_separated_prefix}/*`;
  const regex = text(object(match.safe_regex).regex);
  if (regex !== '') return `regex ${regex}`;
  return match.connect_matcher === undefined ? '/*' : 'CONNECT';
}

/** The path, and the headers that must match besides. */
function matchText(match: Json): string {
  const headers = objects(match.headers).map(
    ({ name, invert_match: inverted }) => `${inverted === true ? '!' : ''}${text(name)}`,
  );
  return headers.length === 0 ? pathMatch(match) : `${pathMatch(match)} [${headers.join(', ')}]`;
}

/** What the route does where it leads nowhere. */
function actionNote(route: Json): string {
  if (route.redirect !== undefined) return ' (redirect)';
  const status = text(object(route.direct_response).status);
  return status === '' ? '' : ` (${status})`;
}
