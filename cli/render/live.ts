import type { Output } from './output.ts';
import { cutText, textWidth } from './text-width.ts';

/** A block of lines at the end of the terminal that is drawn again in place. */
export interface LiveBlock {
  draw(lines: readonly string[]): void;
  /** Leaves the last picture where it is and goes below it. */
  finish(): void;
}

export function createLiveBlock(output: Output): LiveBlock {
  let drawn: readonly string[] = [];
  return {
    draw(lines) {
      // A line that wraps would be two, and the next picture would start too low.
      const fitted = lines.map((line) => (textWidth(line) > output.columns ? cutText(line, output.columns) : line));
      if (fitted.length === drawn.length && fitted.every((line, index) => line === drawn[index])) return;
      const up = drawn.length > 0 ? `\u001b[${drawn.length}A` : '';
      output.write(`${up}${fitted.map((line) => `\u001b[2K${line}\n`).join('')}\u001b[0J`);
      drawn = fitted;
    },
    finish() {
      drawn = [];
    },
  };
}
