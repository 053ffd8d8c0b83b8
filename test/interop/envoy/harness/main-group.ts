/** Groups on the bootstrap that several topics share: `main.yaml`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { http1 } from '../backend/http1.ts';
import { logFormat } from './bootstrap.ts';
import type { Case, Group } from './case.ts';

const file = join(import.meta.dirname, '../main.yaml');

export function mainGroup(name: string, cases: readonly Case[]): Group {
  return {
    name,
    backends: { a: http1(), b: http1() },
    bootstrap: ({ ports }) =>
      readFileSync(file, 'utf8')
        .replaceAll('65001', String(ports.a))
        .replaceAll('65002', String(ports.b))
        .replaceAll('@FORMAT@', JSON.stringify(logFormat).slice(1, -1)),
    cases,
  };
}
