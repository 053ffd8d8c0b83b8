/** Lines of admin pages as a part of what is compared. */
import type { Play, Script } from './case.ts';

/** Those lines of a page that match, sorted without a look at their ports. */
export async function adminLines(play: Play, path: string, pattern: RegExp): Promise<string[]> {
  const page = await play.admin(path);
  return page
    .split('\n')
    .filter((line) => pattern.test(line))
    .map((line) => ({ line, key: line.replace(/:\d{4,5}\b/, '') }))
    .sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    .map(({ line }) => line);
}

/** Plays, and then shows those lines of a page that match. */
export function thenPage(script: Script, path: string, pattern: RegExp): Script {
  return async (play) => {
    const view = await script(play);
    return { ...view, lines: [...view.lines, ...(await adminLines(play, path, pattern))] };
  };
}

const LOOK_MS = 10;
const DEADLINE_MS = 20_000;

/** Resolves when a line of the page matches. */
export async function untilPage(play: Play, path: string, pattern: RegExp): Promise<void> {
  const deadline = performance.now() + DEADLINE_MS;
  for (;;) {
    const page = await play.admin(path);
    if (pattern.test(page)) return;
    if (performance.now() > deadline) throw new Error(`${path} shows no ${pattern}:\n${page}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}
