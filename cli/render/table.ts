import { cutText, textWidth } from './text-width.ts';

export interface Column<T> {
  readonly title: string;
  readonly value: (row: T) => string;
  readonly align?: 'left' | 'right';
  /** Columns with a lower number are the first to be narrowed, then left out, where the terminal is too narrow. Default 1. */
  readonly keep?: number;
  /** Colours a cell after it was cut and padded. */
  readonly paint?: (cell: string, row: T) => string;
}

const gap = '  ';
/** Narrower than this a cut text says nothing; the column is left out instead. */
const leastWidth = 6;

/** Rows as aligned columns that fit `width`; one header line, no frame, so that tools can read it too. */
export function renderTable<T>(
  rows: readonly T[],
  columns: readonly Column<T>[],
  { width, header = (text) => text }: { width: number; header?: (text: string) => string },
): string[] {
  const cells = rows.map((row) => columns.map((column) => column.value(row).replaceAll(/\s+/g, ' ')));
  const widths = columns.map((column, index) =>
    Math.max(textWidth(column.title), ...cells.map((row) => textWidth(row[index]!))),
  );
  fit(widths, columns, width);
  const shown = columns.map((_, index) => index).filter((index) => widths[index]! > 0);
  const last = shown.at(-1);
  const line = (values: readonly string[], row?: T): string =>
    shown
      .map((index) => {
        const column = columns[index]!;
        const text = cutText(values[index]!, widths[index]!);
        const padding = ' '.repeat(widths[index]! - textWidth(text));
        const isPadded = column.align === 'right' || index !== last;
        const cell = column.align === 'right' ? padding + text : isPadded ? text + padding : text;
        return row === undefined || column.paint === undefined ? cell : column.paint(cell, row);
      })
      .join(gap);
  return [
    header(line(columns.map(({ title }) => title)).trimEnd()),
    ...rows.map((row, index) => line(cells[index]!, row).trimEnd()),
  ];
}

/** Narrows the least important columns until all fit; a column that would say nothing is left out (width 0). */
function fit(widths: number[], columns: readonly Column<never>[] | readonly Column<unknown>[], width: number): void {
  const total = (): number => {
    const shown = widths.filter((value) => value > 0);
    return shown.reduce((sum, value) => sum + value, 0) + gap.length * Math.max(shown.length - 1, 0);
  };
  const order = widths
    .map((_, index) => index)
    .sort((a, b) => (columns[a]!.keep ?? 1) - (columns[b]!.keep ?? 1) || b - a);
  for (const index of order) {
    const excess = total() - width;
    if (excess <= 0) return;
    widths[index] = widths[index]! - excess >= leastWidth ? widths[index]! - excess : 0;
  }
}
