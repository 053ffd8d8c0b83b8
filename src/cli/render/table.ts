/** Tables as kubectl and istioctl print them: UPPERCASE headers, columns three spaces apart, nothing cut off. */

/** Spaces between columns (kubectl's printer pads with 3). */
const GAP = 3;

/**
 * The lines of a table. Cells may hold colour codes; the width is what a person sees.
 *
 * @param rows each as long as `headers`; a shorter one is filled with empty cells
 */
export function table(headers: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const all = [headers, ...rows];
  const widths = headers.map((_, column) => Math.max(...all.map((row) => width(row[column] ?? ''))));
  return all.map((row) =>
    headers
      .map((_, column) => {
        const cell = row[column] ?? '';
        return column === headers.length - 1 ? cell : cell + ' '.repeat(widths[column]! - width(cell) + GAP);
      })
      .join('')
      .trimEnd(),
  );
}

/** A time span as people say it: `4m12s`, `3h5m`, `2d4h`; never more than two units. */
export function humanDuration(milliseconds: number): string {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3_600],
    ['m', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0s';
  const [name, size] = units[first]!;
  const next = units[first + 1];
  const rest = next === undefined ? 0 : Math.floor((seconds % size) / next[1]);
  return `${Math.floor(seconds / size)}${name}${rest > 0 ? `${rest}${next![0]}` : ''}`;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what an ANSI colour code is (ECMA-48).
const ansi = /\u001b\[[0-9;]*m/g;

function width(cell: string): number {
  return cell.replace(ansi, '').length;
}
