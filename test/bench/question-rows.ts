import type { QuestionRow } from './row.ts';
export const questionRows: readonly QuestionRow[] = [];
