/**
 * Writes lines in batches, so that a line costs a concatenation and not a system call.
 * Lines are byte strings (one character a byte), as header values are in the codecs.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

/** A batch is written when it reaches this, or after the flush interval. */
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

export interface LineWriterOptions {
  /** How long a line may wait in memory. */
  readonly flushIntervalMs?: number;
  /** Called for each batch (Envoy's `filesystem.write_completed`, `filesystem.write_failed`). */
  readonly written?: () => void;
  readonly failed?: () => void;
}

/**
 * @param path a file (made, or appended to), or `/dev/stdout` or `/dev/stderr`.
 * @throws the error of the operating system where the file cannot be opened.
 */
export function openLineWriter(path: string, options: LineWriterOptions = {}): LineWriter {
  const { flushIntervalMs = FLUSH_INTERVAL_MS } = options;
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
      options.written?.();
    } catch {
      // A full disk must not stop traffic: the lines are lost and counted.
      options.failed?.();
    }
  }

  return {
    write(line): void {
      batch += line;
      if (batch.length >= BATCH_BYTES) flush();
      else timer ??= setTimeout(flush, flushIntervalMs).unref();
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
