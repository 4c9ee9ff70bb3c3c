import { type ErrorCode, errorRegistry } from '../../shared/contracts/error-code.ts';
import { errorAdvice } from './error-advice.ts';
import { renderTable } from './markdown.ts';

/** The page of the error registry. Anchors are the codes themselves: problems name `/docs/errors#CODE`. */
export function renderErrors(): string[] {
  return [
    '# Errors',
    '',
    'Every refusal has a code. The API answers it as `application/problem+json`: `code`, `detail` (what happened, to what, and',
    'what to do), `retryable`, `issues` (each offending field, with what is allowed) and `type`, which is `/docs/errors#<CODE>` and',
    'names the entry below. The command line prints the same and ends with the exit code of the table.',
    '',
    ...renderTable(
      ['code', 'status', 'exit code', 'the same call may succeed later', 'what it means'],
      (Object.keys(errorRegistry) as ErrorCode[]).map((name) => {
        const { status, exit, retryable, summary } = errorRegistry[name];
        return [`[${name}](#${name})`, String(status), String(exit), retryable ? 'yes' : 'no', summary];
      }),
    ),
    '',
    '## What to do',
    '',
    ...(Object.keys(errorRegistry) as ErrorCode[]).flatMap((name) => [
      `### <a id="${name}"></a>${name}`,
      '',
      `${errorRegistry[name].summary} ${errorAdvice[name]}`,
      '',
    ]),
  ];
}
