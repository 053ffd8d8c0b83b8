/**
 * Writes lines in batches, so that a line costs a copy and not a system call. They wait as bytes: as strings they
 * would be ropes of dozens of pieces, which the collector walks again and again.
 * Lines are byte strings (one character a byte), as header values are in the codecs.
 */
import { closeSync, openSync, writeSync } from 'node:fs';

/** A batch is written before it is larger than this, or after the flush interval. */
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
  /** Made with the first line. */
  let batch: Buffer | undefined;
  let used = 0;
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    if (timer !== undefined) clearTimeout(timer);
    timer = undefined;
    if (batch === undefined || used === 0) return;
    const bytes = batch.subarray(0, used);
    used = 0;
    send(bytes);
  }

  function send(bytes: Buffer): void {
    try {
      // A stream may keep what it is given.
      if (standard !== undefined) standard.write(Buffer.from(bytes));
      else for (let sent = 0; sent < bytes.length; ) sent += writeSync(fd, bytes, sent);
      options.written?.();
    } catch {
      // A full disk must not stop traffic: the lines are lost and counted.
      options.failed?.();
    }
  }

  return {
    write(line): void {
      if (used + line.length > BATCH_BYTES) flush();
      if (line.length > BATCH_BYTES) {
        send(Buffer.from(line, 'latin1'));
        return;
      }
      batch ??= Buffer.allocUnsafeSlow(BATCH_BYTES);
      used += batch.write(line, used, 'latin1');
      timer ??= setTimeout(flush, flushIntervalMs).unref();
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
