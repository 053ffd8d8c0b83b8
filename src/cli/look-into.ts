/** What looks into the parts of documents that the model leaves as they are. */
import type { LoadOptions, SourceText } from '#model/load.ts';
import type { Planes } from './planes.ts';

/** Empty where no text has such parts: the protos that they are compared with take a while to load. */
export async function lookIntoTexts(
  texts: readonly SourceText[],
  { resourceCheck }: Planes,
): Promise<Pick<LoadOptions, 'lookInto'>> {
  const isThere = texts.some(({ text }) => text.includes('EnvoyFilter'));
  return isThere ? { lookInto: await resourceCheck() } : {};
}
