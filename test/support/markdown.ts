/** What a Markdown file shows and points to: fenced blocks, code in the text, links and headings. */

export interface Block {
  /** Words after the fence, such as `sh mesh`. */
  readonly language: string;
  readonly text: string;
  /** Of its first line, from 1. */
  readonly line: number;
}

export interface Link {
  readonly target: string;
  readonly line: number;
}

const fence = /^```(.*)$/;

export function blocksOf(markdown: string): Block[] {
  const blocks: Block[] = [];
  let open: { language: string; line: number; lines: string[] } | undefined;
  for (const [at, line] of markdown.split('\n').entries()) {
    const mark = fence.exec(line);
    if (mark === null) open?.lines.push(line);
    else if (open === undefined) open = { language: (mark[1] ?? '').trim(), line: at + 2, lines: [] };
    else {
      blocks.push({ language: open.language, line: open.line, text: `${open.lines.join('\n')}\n` });
      open = undefined;
    }
  }
  if (open !== undefined) throw new Error(`the block of line ${open.line} is not closed`);
  return blocks;
}

/** The text with its blocks emptied, so that lines keep their numbers. */
export function proseOf(markdown: string): string {
  let inside = false;
  return markdown
    .split('\n')
    .map((line) => {
      const isFence = fence.test(line);
      if (isFence) inside = !inside;
      return inside || isFence ? '' : line;
    })
    .join('\n');
}

export function linksOf(markdown: string): Link[] {
  return proseOf(markdown)
    .split('\n')
    .flatMap((text, at) =>
      [...text.replaceAll(/`[^`]*`/g, '').matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => ({
        target,
        line: at + 1,
      })),
    );
}

export function inlineCodeOf(markdown: string): string[] {
  return [...proseOf(markdown).matchAll(/`([^`\n]+)`/g)].map(([, code = '']) => code);
}

/** Anchors of the headings, as GitHub makes them. */
export function anchorsOf(markdown: string): Set<string> {
  return new Set(
    [...proseOf(markdown).matchAll(/^#+ +(.+)$/gm)].map(([, heading = '']) =>
      heading
        .trim()
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
        .replaceAll(' ', '-'),
    ),
  );
}

/** The commands of a shell block: comments off, continued lines put together, lists taken apart. */
export function commandsOf({ text }: Block): string[] {
  return text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .flatMap((line) => line.replace(/(^|\s+)#.*$/, '').split('&&'))
    .map((command) => command.trim())
    .filter((command) => command !== '');
}
