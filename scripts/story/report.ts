import type { LoadFigures } from '../load/load-tally.ts';
import type { SceneResult } from './scene.ts';

/** The table at the end: what happened, what clients saw, and whether each promise was kept. */
export function renderReport(results: readonly SceneResult[], load: Readonly<Record<string, LoadFigures>>): string {
  const scenes = results.map(({ name, seconds, requests, failed, checks }) => {
    const broken = checks.filter(({ kept }) => !kept).length;
    return [name, seconds.toFixed(1), String(requests), String(failed), broken === 0 ? 'kept' : `${broken} BROKEN`];
  });
  const kinds = Object.entries(load).map(([kind, { requests, failed, p50Ms, p99Ms, maxMs }]) => [
    kind,
    String(requests),
    String(failed),
    p50Ms.toFixed(1),
    p99Ms.toFixed(1),
    maxMs.toFixed(0),
  ]);
  const broken = results.flatMap(({ name, checks }) =>
    checks.filter(({ kept }) => !kept).map(({ promise, measured }) => `  ✘ ${name}: ${promise} (${measured})`),
  );
  const verdict = broken.length === 0 ? 'Every promise was kept.' : `Broken promises:\n${broken.join('\n')}`;
  return [
    '',
    table(['What happened', 'seconds', 'requests', 'failed', 'promises'], scenes),
    '',
    table(['Load', 'requests', 'failed', 'p50 ms', 'p99 ms', 'max ms'], kinds),
    '',
    verdict,
    '',
  ].join('\n');
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]) =>
    cells
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ');
  return [line(head), widths.map((width) => '─'.repeat(width)).join('  '), ...rows.map(line)].join('\n');
}
