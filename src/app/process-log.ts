/** The log of a process, as its options say. */
import { CliError, EXIT_USAGE } from '#cli/exit.ts';
import { openLineWriter } from '#observe/line-writer.ts';
import { createLogger, type LogFormat, type Logger, parseLogLevel } from '#observe/log.ts';

export interface LogOptions {
  readonly logLevel: string;
  readonly logFormat: LogFormat;
  /** Absent: standard error. */
  readonly logPath?: string;
}

export function openLog({ logLevel, logFormat, logPath }: LogOptions): Logger {
  const level = parseLogLevel(logLevel);
  if (level === undefined) {
    throw new CliError(`"${logLevel}" is not a log level`, {
      advice: 'use trace, debug, info, warning, error, critical or off',
      exitCode: EXIT_USAGE,
    });
  }
  if (logPath === undefined) {
    return createLogger({ level, format: logFormat, write: (line) => void process.stderr.write(line) });
  }
  const writer = openFile(logPath);
  process.on('exit', () => writer.flush());
  return createLogger({
    level,
    format: logFormat,
    // The writer takes one character a byte.
    write: (line) => writer.write(Buffer.from(line, 'utf8').toString('latin1')),
  });
}

function openFile(path: string): ReturnType<typeof openLineWriter> {
  try {
    return openLineWriter(path);
  } catch (error) {
    throw new CliError(`cannot write the log: ${(error as Error).message}`, { exitCode: EXIT_USAGE });
  }
}
