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
  /** Set, it is that of all loggers. */
  level: LogLevel;
  /** Of a part of what is logged. */
  levelOf(name: LoggerName): LogLevel;
  setLevel(name: LoggerName, level: LogLevel): void;
}

/** Parts of what is logged, by Envoy's names. */
export const loggerNames = [
  'config',
  'conn_handler',
  'dns',
  'grpc',
  'http2',
  'main',
  'runtime',
  'secret',
] as const;

export type LoggerName = (typeof loggerNames)[number];

/** By the room an event is of; others are `main`. */
const loggerOfRoom: Readonly<Record<string, LoggerName>> = {
  apply: 'config',
  listen: 'conn_handler',
  dns: 'dns',
  xds: 'grpc',
  http2: 'http2',
  runtime: 'runtime',
  identity: 'secret',
};

function loggerOf(event: string): LoggerName {
  return loggerOfRoom[event.slice(0, event.indexOf('.'))] ?? 'main';
}

/** Where a logger and its children have their levels. */
export interface LogLevelCell {
  get(name: LoggerName): LogLevel;
  set(name: LoggerName, level: LogLevel): void;
}

/** Bytes of {@link sharedLogLevels}. */
export const LOG_LEVEL_BYTES: number = loggerNames.length * Int32Array.BYTES_PER_ELEMENT;

/** Where several threads have them: zero is the most talkative. */
export function sharedLogLevels(memory: ArrayBuffer | SharedArrayBuffer): LogLevelCell {
  const cells = new Int32Array(memory);
  return {
    get: (name) => logLevels[cells[loggerNames.indexOf(name)]!]!,
    set: (name, level) => {
      cells[loggerNames.indexOf(name)] = logLevels.indexOf(level);
    },
  };
}

function setAll(cell: LogLevelCell, level: LogLevel): void {
  for (const name of loggerNames) cell.set(name, level);
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
  const cell = options.cell ?? sharedLogLevels(new ArrayBuffer(LOG_LEVEL_BYTES));
  setAll(cell, options.level);
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
  const passes = (name: LoggerName, level: LogLevel): boolean =>
    logLevels.indexOf(level) >= logLevels.indexOf(state.get(name));
  const enabled = (level: LogLevel): boolean => loggerNames.some((name) => passes(name, level));
  const at =
    (level: LogLevel) =>
    (event: string, fields: LogFields = {}): void => {
      if (passes(loggerOf(event), level)) emit(level, event, { ...inherited, ...fields });
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
      return state.get('main');
    },
    set level(level: LogLevel) {
      setAll(state, level);
    },
    levelOf: (name) => state.get(name),
    setLevel: (name, level) => state.set(name, level),
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
