/** The log of a process, as its options say. */
import { CliError, EXIT_USAGE } from '#cli/exit.ts';
import { openLineWriter } from '#observe/line-writer.ts';
import { createLogger, type LogFormat, type Logger, type LogLevelCell, parseLogLevel } from '#observe/log.ts';

export interface LogOptions {
  readonly logLevel: string;
  readonly logFormat: LogFormat;
  /** Absent: standard error. */
  readonly logPath?: string;
}

/** @param cell where other threads read the level too. */
export function openLog({ logLevel, logFormat, logPath }: LogOptions, cell?: LogLevelCell): Logger {
  const level = parseLogLevel(logLevel);
  if (level === undefined) {
    throw new CliError(`"${logLevel}" is not a log level`, {
      advice: 'use trace, debug, info, warning, error, critical or off',
      exitCode: EXIT_USAGE,
    });
  }
  const shared = cell === undefined ? {} : { cell };
  if (logPath === undefined) {
    const write = (line: string): void => void process.stderr.write(line);
    return createLogger({ level, format: logFormat, write, ...shared });
  }
  const writer = openFile(logPath);
  process.on('exit', () => writer.flush());
  return createLogger({
    level,
    format: logFormat,
    ...shared,
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
