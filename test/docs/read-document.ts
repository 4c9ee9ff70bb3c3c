import { readFileSync } from 'node:fs';
import path from 'node:path';
import { splitArguments } from '../../shared/contracts/ecosystem/split-arguments.ts';
import { root } from '../architecture/source-tree.ts';

/** A fenced block: the word after the fence, and its lines. */
export interface Block {
  readonly language: string;
  readonly lines: readonly string[];
}

/** What a Markdown file shows its reader. */
export interface Document {
  readonly file: string;
  /** `## Title` as `##`. */
  readonly headings: readonly string[];
  readonly blocks: readonly Block[];
  /** `inline code` outside of blocks. */
  readonly inline: readonly string[];
  /** Targets of links, as written. */
  readonly links: readonly string[];
  /** What links to headings and anchors of this file may name. */
  readonly anchors: readonly string[];
}

/** Reads a file of the tree. Markdown that our documents do not use (indented code, HTML blocks) is not understood. */
export function readDocument(file: string): Document {
  const blocks: { language: string; lines: string[] }[] = [];
  const prose: string[] = [];
  let open: { language: string; lines: string[] } | null = null;
  for (const line of readFileSync(path.join(root, file), 'utf8').split('\n')) {
    const fence = /^```(\w*)$/.exec(line);
    if (fence !== null) {
      if (open === null) open = { language: fence[1]!, lines: [] };
      else {
        blocks.push(open);
        open = null;
      }
    } else if (open === null) prose.push(line);
    else open.lines.push(line);
  }
  const headings = prose.filter((line) => /^#+ /.test(line));
  const text = prose.join('\n');
  return {
    file,
    headings,
    blocks,
    inline: [...text.matchAll(/`([^`]+)`/g)].map((match) => match[1]!.replaceAll('\n', ' ')),
    links: [...text.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]!),
    anchors: [...headings.map(toAnchor), ...[...text.matchAll(/<a id="([^"]+)">/g)].map((match) => match[1]!)],
  };
}

/** The `drover` commands that a document tells its reader to type, as words after `drover`. */
export function readCommands({ blocks, inline }: Document): string[][] {
  const typed = blocks.filter(({ language }) => language === 'sh').flatMap(({ lines }) => lines);
  return [...typed, ...inline]
    .filter((line) => /^drover [a-z]/.test(line))
    .map((line) => splitArguments(line.replace(/\s+(#|>).*$/, '').replaceAll(/<([\w-]+)>/g, '$1')).slice(1));
}

/** As GitHub makes it: lower case, no punctuation, dashes for spaces. */
function toAnchor(heading: string): string {
  return heading
    .replace(/^#+ /, '')
    .replaceAll(/<[^>]*>/g, '')
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(/\s/g, '-');
}
