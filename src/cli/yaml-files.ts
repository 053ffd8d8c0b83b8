/** YAML texts that a command is given: files, folders of them, or standard input. */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import type { SourceText } from '#model/load.ts';
import { CliError } from './exit.ts';

/** How problems name it. */
export const STANDARD_INPUT = '(standard input)';

/**
 * @param file `-` for standard input
 * @param recursive whether folders in folders count too
 */
export function readTexts(file: string, recursive = false): SourceText[] {
  if (file === '-') return [{ file: STANDARD_INPUT, text: readFileSync(0, 'utf8') }];
  try {
    if (!statSync(file).isDirectory()) return [{ file, text: readFileSync(file, 'utf8') }];
    return readdirSync(file, { recursive, encoding: 'utf8' })
      .filter((name) => ['.yaml', '.yml'].includes(path.extname(name)))
      .sort()
      .map((name) => path.join(file, name))
      .map((inside) => ({ file: inside, text: readFileSync(inside, 'utf8') }));
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const reason = code === 'ENOENT' ? 'there is no such file or folder' : message;
    throw new CliError(`Cannot read ${file}: ${reason}`, { cause: error });
  }
}
