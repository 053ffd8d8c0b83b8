/**
 * Writes lines in batches, so that a line costs a concatenation and not a system call.
 * Lines are byte strings (one character a byte), as header values are in the codecs.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

/** A batch is written when it reaches this, or after {@link FLUSH_INTERVAL_MS}. */
const BATCH_BYTES = 64 * 1024;
const FLUSH_INTERVAL_MS = 1000;

export interface LineWriter {
  /** @param line with its line feed. */
  write(line: string): void;
  flush(): void;
  /** Opens the path anew, after a log rotation moved the file away. */
  reopen(): void;
  /** Flushes; the writer is not used afterwards. */
  close(): void;
}

/** What the writer counts (Envoy's `filesystem.*`). */
export interface LineWriterCounts {
  readonly written: () => void;
  readonly failed: () => void;
}

/**
 * @param path a file (made, or appended to), or `/dev/stdout` or `/dev/stderr`.
 * @throws the error of the operating system where the file cannot be opened.
 */
export function openLineWriter(path: string, counts?: LineWriterCounts): LineWriter {
  const standard =
    path === '/dev/stdout' ? process.stdout : path === '/dev/stderr' ? process.stderr : undefined;
  let fd = standard === undefined ? openSync(path, 'a', 0o644) : -1;
  let batch = '';
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    if (batch === '') return;
    const bytes = Buffer.from(batch, 'latin1');
    batch = '';
    try {
      if (standard !== undefined) standard.write(bytes);
      else for (let sent = 0; sent < bytes.length; ) sent += writeSync(fd, bytes, sent);
      counts?.written();
    } catch {
      // A full disk must not stop traffic: the lines are lost and counted.
      counts?.failed();
    }
  }

  return {
    write(line): void {
      batch += line;
      if (batch.length >= BATCH_BYTES) flush();
      else timer ??= setTimeout(flush, FLUSH_INTERVAL_MS).unref();
    },
    flush,
    reopen(): void {
      flush();
      if (standard !== undefined) return;
      const opened = openSync(path, 'a', 0o644);
      closeSync(fd);
      fd = opened;
    },
    close(): void {
      flush();
      if (standard === undefined) closeSync(fd);
    },
  };
}
