/** What tells one message from another, made when two of them are compared: seldom, and never at a start. */
import { createHash } from 'node:crypto';

/** @param encode is called once, or never. */
export function digest(encode: () => Uint8Array): () => string {
  let text: string | undefined;
  return () => {
    text ??= createHash('sha256').update(encode()).digest('base64');
    return text;
  };
}
