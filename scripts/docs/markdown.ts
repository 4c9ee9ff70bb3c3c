/** A table of GitHub's Markdown; columns of which every cell is empty are left out. */
export function renderTable(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const kept = head.map((_, column) => column).filter((column) => rows.some((row) => (row[column] ?? '') !== ''));
  const line = (cells: readonly string[]) => `| ${kept.map((column) => escapeCell(cells[column] ?? '')).join(' | ')} |`;
  return [line(head), `|${kept.map(() => ' --- ').join('|')}|`, ...rows.map(line)];
}

export function code(text: string): string {
  return text === '' ? '' : `\`${text}\``;
}

/** A bar would end the cell, and a line break the table. */
function escapeCell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('\n', ' ');
}
