/** The access-log files of a process: one writer a path, however many listeners name it. */
import { type LineWriter, openLineWriter } from './line-writer.ts';

export interface LogFiles {
  /** @throws the error of the operating system where the file cannot be opened. */
  open(path: string): LineWriter;
  /** After a log rotation moved the files away. */
  reopen(): void;
  flush(): void;
  /** Flushes and closes; nothing is written afterwards. */
  close(): void;
}

/** @param flushIntervalMs how long a line may wait; absent: 1 s. */
export function createLogFiles(flushIntervalMs?: number): LogFiles {
  const writers = new Map<string, LineWriter>();
  return {
    open(path): LineWriter {
      let writer = writers.get(path);
      if (writer === undefined) {
        writer = openLineWriter(path, flushIntervalMs === undefined ? {} : { flushIntervalMs });
        writers.set(path, writer);
      }
      return writer;
    },
    reopen(): void {
      for (const writer of writers.values()) writer.reopen();
    },
    flush(): void {
      for (const writer of writers.values()) writer.flush();
    },
    close(): void {
      for (const writer of writers.values()) writer.close();
      writers.clear();
    },
  };
}
