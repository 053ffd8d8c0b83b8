/**
 * The log of a process: one line an event, named `room.event-name`, with fields. Levels are Envoy's.
 * No secret, header value or body goes into a field.
 */

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'off';

/** From the most talkative to silence. */
export const logLevels: readonly LogLevel[] = ['trace', 'debug', 'info', 'warn', 'error', 'off'];

/** `json` is one object a line; `text` is for people. */
export type LogFormat = 'text' | 'json';

export type LogFields = Readonly<Record<string, unknown>>;

export interface Logger {
  trace(event: string, fields?: LogFields): void;
  debug(event: string, fields?: LogFields): void;
  info(event: string, fields?: LogFields): void;
  warn(event: string, fields?: LogFields): void;
  error(event: string, fields?: LogFields): void;
  /** Whether a line of `level` would be written: ask before making costly fields. */
  enabled(level: LogLevel): boolean;
  /** A logger whose lines all carry `fields`; it follows the level of this one. */
  child(fields: LogFields): Logger;
  level: LogLevel;
}

/** Where a logger and its children have their level. */
export interface LogLevelCell {
  level: LogLevel;
}

/** Where several threads have it: 4 bytes, zero is the most talkative. */
export function sharedLogLevel(memory: SharedArrayBuffer): LogLevelCell {
  const cell = new Int32Array(memory);
  return {
    get level(): LogLevel {
      return logLevels[cell[0]!]!;
    },
    set level(level: LogLevel) {
      cell[0] = logLevels.indexOf(level);
    },
  };
}

export interface LoggerOptions {
  readonly level: LogLevel;
  /** Takes `level`; absent: the logger's own. */
  readonly cell?: LogLevelCell;
  readonly format: LogFormat;
  /** Gets each line with its line feed. */
  readonly write: (line: string) => void;
  /** Milliseconds since 1970. */
  readonly nowMs?: () => number;
}

export function createLogger(options: LoggerOptions): Logger {
  const nowMs = options.nowMs ?? Date.now;
  const render = options.format === 'json' ? renderJson : renderText;
  const cell = options.cell ?? { level: options.level };
  cell.level = options.level;
  return loggerWith(cell, {}, (level, event, fields) => {
    options.write(render(new Date(nowMs()).toISOString(), level, event, fields));
  });
}

/** Takes Envoy's names (`warning`, `critical`) too; undefined where it is no level. */
export function parseLogLevel(text: string): LogLevel | undefined {
  if (text === 'warning') return 'warn';
  if (text === 'critical') return 'error';
  return logLevels.find((level) => level === text);
}

/** A logger for what is written elsewhere: errors among the fields are texts already. */
export function relayLogger(
  cell: LogLevelCell,
  emit: (level: LogLevel, event: string, fields: LogFields) => void,
): Logger {
  return loggerWith(cell, {}, (level, event, fields) => {
    const texts = Object.entries(fields).map(([name, value]) => [name, plain(value)]);
    emit(level, event, Object.fromEntries(texts));
  });
}

/** A logger that says nothing, for tests and for tools. */
export const silentLogger: Logger = createLogger({ level: 'off', format: 'text', write: () => {} });

type Emit = (level: LogLevel, event: string, fields: LogFields) => void;

function loggerWith(state: LogLevelCell, inherited: LogFields, emit: Emit): Logger {
  const enabled = (level: LogLevel): boolean => logLevels.indexOf(level) >= logLevels.indexOf(state.level);
  const at =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}): void => {
      if (enabled(level)) emit(level, event, { ...inherited, ...fields });
    };
  return {
    trace: at('trace'),
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    enabled,
    child: (fields) => loggerWith(state, { ...inherited, ...fields }, emit),
    get level(): LogLevel {
      return state.level;
    },
    set level(level: LogLevel) {
      state.level = level;
    },
  };
}

function renderJson(time: string, level: LogLevel, event: string, fields: LogFields): string {
  return `${JSON.stringify({ time, level, event, ...fields }, (_, value) => plain(value))}\n`;
}

function renderText(time: string, level: LogLevel, event: string, fields: LogFields): string {
  let line = `${time} ${level.padEnd(5)} ${event}`;
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) line += ` ${name}=${textOf(plain(value))}`;
  }
  return `${line}\n`;
}

/** Errors by their chain of messages, big integers as text. */
function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (!(value instanceof Error)) return value;
  const messages: string[] = [];
  for (let e: unknown = value; e instanceof Error && messages.length < 5; e = e.cause)
    messages.push(e.message);
  return messages.join(': ');
}

function textOf(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return typeof value === 'string' && !/^[^\s"=]+$/.test(text) ? JSON.stringify(text) : text;
}
