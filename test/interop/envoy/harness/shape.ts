/** What JSON looks like, without its values: paths and types, and lines of pages as part of a case. */
import type { Play, Script } from './case.ts';

/**
 * One line for each path, such as `a.b[]: string`. Items of a list are one.
 *
 * @param left paths that are not looked into: what is below differs by nature
 */
export function shapeOf(value: unknown, left: readonly RegExp[] = []): string[] {
  const lines = new Set<string>();
  const walk = (inner: unknown, path: string): void => {
    if (left.some((pattern) => pattern.test(path))) return;
    if (Array.isArray(inner)) {
      if (inner.length === 0) lines.add(`${path}: []`);
      for (const item of inner) walk(item, `${path}[]`);
    } else if (typeof inner === 'object' && inner !== null) {
      for (const [key, held] of Object.entries(inner)) walk(held, path === '' ? key : `${path}.${key}`);
      if (Object.keys(inner).length === 0) lines.add(`${path}: {}`);
    } else lines.add(`${path}: ${inner === null ? 'null' : typeof inner}`);
  };
  walk(value, '');
  return [...lines].sort();
}

/** The shape of a page. */
export const pageShape =
  (path: string, left: readonly RegExp[] = []): Script =>
  async (play) => ({ statuses: [], lines: shapeOf(JSON.parse(await play.admin(path)), left) });

/** Lines of a page that match. */
export const pageLines =
  (path: string, pattern: RegExp, method: 'GET' | 'POST' = 'GET'): Script =>
  async (play) => ({
    statuses: [],
    lines: (await play.admin(path, method)).split('\n').filter((line) => pattern.test(line)),
  });

/** The status of a page that refuses; 200 where it does not. */
export async function pageStatus(play: Play, path: string, method: 'GET' | 'POST' = 'GET'): Promise<number> {
  try {
    await play.admin(path, method);
    return 200;
  } catch (error) {
    return Number(/: (\d{3})$/.exec((error as Error).message)?.[1]);
  }
}

/** Statuses of pages, one after the other. */
export const pageStatuses =
  (...pages: readonly (readonly ['GET' | 'POST', string])[]): Script =>
  async (play) => {
    const lines: string[] = [];
    for (const [method, path] of pages)
      lines.push(`${method} ${path}: ${await pageStatus(play, path, method)}`);
    return { statuses: [], lines };
  };
