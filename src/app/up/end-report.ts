/** What a person is told when a process has ended that should not have. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type ChildEnd, describeEnd } from '#host/process.ts';
import type { MeshServices } from './mesh-services.ts';

/** What is read of a log to tell why its process ended. */
const LOG_END_BYTES = 4_096;
const TOLD_LINES = 5;
/** How a failure begins, in the words of most languages; what follows are its details. */
const failure = /^\S*(Error|Exception)\b|^panic:|^fatal\b/i;

/**
 * The last telling lines of a log, without stack frames; none where there is no log.
 *
 * @param from byte at which the run in question began
 */
export function logEnd(path: string, from: number): string[] {
  try {
    const fd = openSync(path, 'r');
    try {
      const { size } = fstatSync(fd);
      const bytes = Buffer.alloc(Math.max(0, Math.min(size - from, LOG_END_BYTES)));
      readSync(fd, bytes, 0, bytes.length, size - bytes.length);
      const lines = bytes.toString('utf8').split('\n');
      // Frames of a stack say little to who runs the program; what it wrote before them does.
      return lines.filter((line) => line.trim() !== '' && !/^\s+at /.test(line));
    } finally {
      closeSync(fd);
    }
  } catch {
    return [];
  }
}

/** A few lines that tell most: from the beginning of the last failure, or the last ones. */
export function tellingLines(lines: readonly string[]): readonly string[] {
  const at = lines.findLastIndex((line) => failure.test(line));
  const last = Math.max(0, lines.length - TOLD_LINES);
  const first = at === -1 ? last : Math.min(at, last);
  return lines.slice(first, first + TOLD_LINES);
}

/**
 * Says how it ended and when it starts again; of one that failed by itself, also what it wrote last.
 *
 * @param restartInMs undefined: never
 */
export function tellEnd(
  mesh: Pick<MeshServices, 'tell' | 'places'>,
  name: string,
  end: ChildEnd,
  restartInMs: number | undefined,
): void {
  const again = restartInMs === undefined ? '' : `, tried again in ${restartInMs} ms`;
  if (end.error !== undefined) {
    mesh.tell('warning', name, `cannot be started: ${end.error}${again}`);
    return;
  }
  const failed = end.signal === undefined && end.code !== 0;
  mesh.tell(
    'warning',
    name,
    `ended (${describeEnd(end)})${again}`,
    failed ? tellingLines(logEnd(mesh.places.log(name), end.logStart)) : [],
  );
}
