import { DroverError, isDroverError } from '../../shared/contracts/drover-error.ts';
import { describeIssues } from '../../shared/contracts/issues.ts';
import { toProblem } from '../../shared/contracts/problem.ts';
import type { Output } from './output.ts';

/** Any thrown value as one of ours: what is not one of ours is a defect. */
export function asDroverError(error: unknown): DroverError {
  if (isDroverError(error)) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new DroverError('INTERNAL', `Drover met a defect of its own: ${text}`, { cause: error });
}

/** Prints an error to standard error: for people with each issue on its line, for programs as a problem document. */
export function printError(error: DroverError, output: Output): void {
  if (output.json) {
    output.note(JSON.stringify(toProblem(error)));
    return;
  }
  const { red, dim } = output.colors;
  const all = describeIssues(error.issues);
  // The list of issues is easier to read as lines than as the end of one sentence.
  const headline = error.issues.length > 1 ? error.message.replace(`: ${all}`, ':') : error.message;
  output.note(`${red('error')} ${headline} ${dim(`[${error.code}]`)}`);
  if (error.issues.length > 1) {
    for (const issue of error.issues) output.note(`  ${describeIssues([issue])}`);
  }
  if (error.code === 'INTERNAL' && error.cause instanceof Error) output.note(dim(error.cause.stack ?? ''));
}
