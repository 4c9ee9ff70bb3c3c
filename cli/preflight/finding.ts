import type { Project } from './project.ts';
import type { Reach } from './reach.ts';
import type { Source } from './read-source.ts';
import type { RuleId } from './rules.ts';
import type { Node } from './syntax.ts';

/** One unsafe place. Lines and columns are from 1. */
export interface Finding {
  readonly rule: RuleId;
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** What in particular: a name, or a piece of the code. */
  readonly subject: string;
}

/** Looks for one kind of thing in one file, with the others at hand. */
export type Check = (input: { source: Source; project: Project; reach: Reach }) => Finding[];

export function findingAt(source: Source, node: Node, rule: RuleId, subject: string): Finding {
  const { line, column } = node.loc?.start ?? { line: 1, column: 0 };
  return { rule, file: source.path, line, column: column + 1, subject };
}
