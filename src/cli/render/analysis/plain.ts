/** Findings as plain data, with the names that istioctl's have and a few more. */
import type { Finding } from '#model/analyze/report.ts';

/** As istioctl writes them. */
export const levelNames = { error: 'Error', warning: 'Warning', info: 'Info' } as const;

export interface PlainFinding {
  readonly code: string;
  readonly level: (typeof levelNames)[keyof typeof levelNames];
  /** `Kind namespace/name`. */
  readonly origin?: string;
  /** `file:line`. */
  readonly reference?: string;
  readonly message: string;
  readonly documentationUrl: string;
  readonly path?: string;
  readonly file?: string;
  readonly line?: number;
  readonly column?: number;
  readonly fix?: string;
}

export function plainFinding({
  code,
  level,
  resource,
  at,
  message,
  documentation,
  path,
  fix,
}: Finding): PlainFinding {
  return {
    code,
    level: levelNames[level],
    ...(resource !== undefined && { origin: resource }),
    ...(at !== undefined && { reference: `${at.file}:${at.line}` }),
    message,
    documentationUrl: documentation,
    ...(path !== undefined && { path }),
    ...at,
    ...(fix !== undefined && { fix }),
  };
}

/** The message in one line, with the field and what to write instead. */
export function sentence({ path, message, fix }: Finding): string {
  const what = path === undefined ? message : `${path}: ${message}`;
  return fix === undefined ? what : `${what} (${fix})`;
}
