/** What a person is told when a process has ended that should not have. */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { type ChildEnd, describeEnd } from '#host/process.ts';
import type { MeshServices } from './mesh-services.ts';

/** What is read of a log to tell why its process ended. */
const LOG_END_BYTES = 4_096;
const LOG_END_LINES = 5;

/**
 * The last telling lines of a log; none where there is no log.
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
      return lines.filter((line) => line.trim() !== '' && !/^\s+at /.test(line)).slice(-LOG_END_LINES);
    } finally {
      closeSync(fd);
    }
  } catch {
    return [];
  }
}

/** Says how it ended and when it starts again; of one that failed by itself, also what it wrote last. */
export function tellEnd(
  mesh: Pick<MeshServices, 'tell' | 'places'>,
  name: string,
  end: ChildEnd,
  restartInMs: number,
): void {
  const again = `tried again in ${restartInMs} ms`;
  if (end.error !== undefined) {
    mesh.tell('warning', name, `cannot be started: ${end.error}; ${again}`);
    return;
  }
  const failed = end.signal === undefined && end.code !== 0;
  mesh.tell(
    'warning',
    name,
    `ended (${describeEnd(end)}), ${again}`,
    failed ? logEnd(mesh.places.log(name), end.logStart) : [],
  );
}
