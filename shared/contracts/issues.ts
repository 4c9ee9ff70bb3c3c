import type { z } from 'zod';
import type { ErrorIssue } from './drover-error.ts';

/** What zod found, as issues that name the field (`spec.update.maxParallel`), the reason and what is allowed. */
export function toIssues(error: z.ZodError, prefix = ''): ErrorIssue[] {
  return error.issues.flatMap((issue) => {
    const path = joinPath(prefix, issue.path);
    if (issue.code === 'unrecognized_keys') {
      return issue.keys.map((key) => ({ path: joinPath(path, [key]), reason: 'is not a known field' }));
    }
    const allowed = allowedOf(issue);
    return [{ path, reason: issue.message, ...(allowed === undefined ? {} : { allowed }) }];
  });
}

/** One line for a person: `spec.name must be …; spec.script is required`. */
export function describeIssues(issues: readonly ErrorIssue[]): string {
  return issues
    .map(
      ({ path, reason, allowed }) =>
        `${path === '' ? 'input' : path}: ${reason}${allowed === undefined ? '' : ` (allowed: ${allowed})`}`,
    )
    .join('; ');
}

function joinPath(prefix: string, path: readonly PropertyKey[]): string {
  return path.reduce<string>(
    (text, part) =>
      typeof part === 'number' ? `${text}[${part}]` : text === '' ? String(part) : `${text}.${String(part)}`,
    prefix,
  );
}

function allowedOf(issue: z.core.$ZodIssue): string | undefined {
  switch (issue.code) {
    case 'invalid_value':
      return issue.values.map((value) => JSON.stringify(value)).join(', ');
    case 'invalid_type':
      return issue.expected;
    case 'too_big':
      return `at most ${issue.maximum}`;
    case 'too_small':
      return `at least ${issue.minimum}`;
    default:
      return undefined;
  }
}
