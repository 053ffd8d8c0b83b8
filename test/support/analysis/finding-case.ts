/** A set of documents and what is found of some codes in it. */
import type { Code } from '#model/analyze/codes.ts';

/** `found` has lines of `code resource path`. */
export type FindingCase = readonly [
  why: string,
  codes: readonly Code[],
  text: string,
  found: readonly string[],
];
